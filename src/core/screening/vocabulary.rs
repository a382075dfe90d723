//! Words of names that say little of who it is: particles, titles, and what stands
//! where there is no name.

/// What may be left out of a name anywhere.
pub(super) const ALWAYS_PARTICLES: [&str; 6] = ["al", "el", "ul", "bin", "ibn", "bint"];

/// The same in letters without short vowels.
pub(super) const VOWELLESS_PARTICLES: [&str; 5] = ["bn", "abn", "bnt", "wld", "awld"];

/// What may be left out of a name behind its first word.
pub(super) const PARTICLES: [&str; 23] = [
    "ben", "de", "del", "la", "las", "los", "da", "do", "dos", "das", "di", "van", "von", "der",
    "den", "y", "e", "ould", "oglu", "ogly", "oglou", "kyzy", "vel",
];

/// The Arabic article as it sounds before some consonants, with its hyphen.
pub(super) const SUN_ARTICLES: [&str; 12] = [
    "as", "ar", "ad", "an", "az", "at", "ash", "es", "ed", "ez", "en", "er",
];

/// What follows a name and is none.
pub(super) const SUFFIXES: [&str; 7] = ["jr", "sr", "iii", "phd", "2nd", "3rd", "4th"];

/// "Servant of": one name with the word that follows.
pub(super) const SERVANTS: [&str; 10] = [
    "abd", "abdul", "abdal", "abdel", "abdol", "abdur", "abdu", "abdool", "abdoul", "abdur",
];

/// "Of the faith": one name with the word before.
pub(super) const FAITHS: [&str; 9] = [
    "din", "deen", "dine", "eddin", "eddine", "uddin", "aldin", "aldeen", "addin",
];

/// What is said before or behind a name. Some are names as well, so they may fit; they
/// cost nothing where they do not.
pub(super) const TITLES: [&str; 62] = [
    "mr",
    "mrs",
    "ms",
    "miss",
    "mister",
    "mx",
    "dr",
    "doctor",
    "prof",
    "professor",
    "sir",
    "madam",
    "mme",
    "mlle",
    "monsieur",
    "madame",
    "herr",
    "frau",
    "senor",
    "senora",
    "senorita",
    "hon",
    "rev",
    "reverend",
    "eng",
    "engineer",
    "shri",
    "smt",
    "haji",
    "hajji",
    "hadji",
    "hajj",
    "hadj",
    "alhaji",
    "mullah",
    "mulla",
    "molla",
    "mullo",
    "mawlawi",
    "maulvi",
    "maulavi",
    "molvi",
    "mawlana",
    "maulana",
    "sheikh",
    "shaikh",
    "shaykh",
    "sheik",
    "cheikh",
    "ayatollah",
    "gen",
    "general",
    "col",
    "colonel",
    "lt",
    "capt",
    "captain",
    "maj",
    "brig",
    "brigadier",
    "commander",
    "esq",
];

/// What stands where somebody has no such name, as one word of plain letters.
pub(super) const PLACEHOLDERS: [&str; 55] = [
    "fnu",
    "lnu",
    "mnu",
    "nfn",
    "nln",
    "nmn",
    "nmi",
    "fnunk",
    "lnunk",
    "unk",
    "unknown",
    "unkown",
    "unnamed",
    "noname",
    "nofirstname",
    "nomiddlename",
    "nolastname",
    "nosurname",
    "nofamilyname",
    "nogivenname",
    "nonamegiven",
    "nosuchname",
    "namenotknown",
    "namenotgiven",
    "nameunknown",
    "firstnameunknown",
    "lastnameunknown",
    "unknownname",
    "unknownfirstname",
    "unknownlastname",
    "notapplicable",
    "notavailable",
    "notprovided",
    "notknown",
    "notgiven",
    "none",
    "null",
    "undefined",
    "anonymous",
    "blank",
    "empty",
    "missing",
    "unspecified",
    "desconocido",
    "desconocida",
    "sinnombre",
    "sinapellido",
    "inconnu",
    "inconnue",
    "sansnom",
    "unbekannt",
    "neizvestno",
    "neizvestnyi",
    "singlename",
    "onename",
];

/// The same as it stands between white space, in lower case, where letters alone would say
/// something else.
pub(super) const PLACEHOLDER_SIGNS: [&str; 7] =
    ["n/a", "#n/a", "n.a.", "n.a", "n\\a", "n-a", "n/a."];

/// Words of the longest placeholder.
pub(super) const PLACEHOLDER_WORDS: usize = 3;
