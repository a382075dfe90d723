//! What the store promises, on each of its engines, asked at its own door.

#[path = "../support/mod.rs"]
mod support;

mod behaviours;
mod broken;
mod pages;
mod place;

/// Stamps every behaviour on both engines.
macro_rules! on_both_engines {
    ($($behaviour:ident),* $(,)?) => {
        mod files {
            $(#[test] fn $behaviour() { crate::behaviours::$behaviour(&crate::place::Place::of_files()); })*
        }
        mod postgres {
            $(#[test] fn $behaviour() {
                if let Some(place) = crate::place::Place::of_postgres() {
                    crate::behaviours::$behaviour(&place);
                }
            })*
        }
    };
}

on_both_engines!(
    what_a_failed_closure_wrote_is_gone_and_what_others_wrote_stays,
    a_key_that_two_servers_are_sent_at_once_is_used_once,
    a_key_is_free_again_once_it_is_swept_and_not_before,
    of_two_changes_of_one_version_one_stays,
    customers_come_newest_first_whatever_their_ids,
    a_filter_that_few_fit_is_read_in_bounded_pages,
    deliveries_of_a_state_that_few_have_are_read_in_bounded_pages,
    lookups_lead_where_they_were_told_to,
    the_history_of_a_resource_has_no_gaps,
    every_chain_holds_and_every_head_is_told,
    a_store_that_was_closed_is_found_again,
);
