//! Wall clocks that jump, ahead and back, while servers run and between their starts.

mod ahead;
mod back;
mod claims;
mod machine;
#[path = "../webhooks/receiver.rs"]
mod receiver;
#[path = "../support/mod.rs"]
mod support;
