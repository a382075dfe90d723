//! Paths of the published API that this version does not have yet. They answer 404 like any path
//! that is not there, but say which of the two it is.

/// Resources of the published API that are to come.
const RESOURCES: [&str; 10] = [
    "wallets",
    "deposits",
    "networks",
    "quotes",
    "transactions",
    "cash-ins",
    "cash-locations",
    "virtual-accounts",
    "deposit-addresses",
    "external-accounts",
];

/// The resource that a path below a version asks for, where that is still to come: on its own,
/// below a customer, or below the sandbox.
#[must_use]
pub fn resource(path: &str) -> Option<&'static str> {
    let mut parts = path.split('/').filter(|part| !part.is_empty());
    let named = match parts.next()? {
        "customers" => match parts.nth(1)? {
            "balance" => "wallets",
            part => part,
        },
        "sandbox" => parts.next()?,
        part => part,
    };
    RESOURCES.into_iter().find(|known| *known == named)
}

#[cfg(test)]
mod tests {
    use super::resource;

    #[test]
    fn published_paths_are_told_from_unknown_ones() {
        for (path, found) in [
            ("/wallets", Some("wallets")),
            ("/wallets/wlt_x/balance", Some("wallets")),
            ("/cash-ins/simulate/barcode-auth", Some("cash-ins")),
            ("/customers/cst_x/wallets", Some("wallets")),
            ("/customers/cst_x/balance", Some("wallets")),
            (
                "/customers/cst_x/virtual-accounts",
                Some("virtual-accounts"),
            ),
            ("/sandbox/networks/polygon/simulate", Some("networks")),
            ("/wallet", None),
            ("/customers/cst_x/nonsense", None),
            ("/customers/wallets", None),
            ("/", None),
        ] {
            assert_eq!(resource(path), found, "{path}");
        }
    }
}
