//! Request bodies that are in order.

use serde_json::{Value, json};

/// The least that makes a customer.
pub fn minimal_customer() -> Value {
    json!({ "type": "individual" })
}

/// A customer with every field given.
pub fn full_customer() -> Value {
    json!({
        "type": "individual",
        "firstName": "Ada",
        "middleName": "Mary",
        "lastName": "Lovelace",
        "email": "ada@example.com",
        "phone": "+14155552671",
        "birthDate": "1990-05-15",
        "nationality": "US",
        "ipAddress": "203.0.113.7",
        "externalId": "user-1842",
        "signedAgreement": true,
        "residentialAddress": {
            "line1": "12 Analytical Way",
            "line2": "Floor 3",
            "city": "San Francisco",
            "state": "CA",
            "country": "US",
            "zipCode": "94105"
        },
        "identifyingInformation": [
            { "type": "ssn", "issuingCountry": "US", "number": "123-45-6789" }
        ],
        "endorsements": ["basic", "cryptoCustody", "usd"],
        "metadata": { "plan": "gold", "seats": 3, "trial": false }
    })
}
