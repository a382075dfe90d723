//! How the platform is asked for: the wire, and nothing of the business.

