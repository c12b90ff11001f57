//! How far countries are from each other, as an estimated round trip of a packet.
//!
//! The estimate is the great circle between the countries' geographic centres at the speed of
//! light in fibre, two thirds of that in vacuum: 5 us a kilometre (ITU-T Recommendation G.114,
//! Annex A), so 100 km a millisecond there and back. Real routes are longer and equipment adds
//! delay, so it is a floor and not a promise; large countries are one point. Centres are whole
//! degrees as in the "Geographic coordinates" of the CIA World Factbook (public domain).

use std::sync::LazyLock;

use tandem_model::network::Country;

use crate::countries::CountrySet;

/// Kilometres that a packet goes there and back in a millisecond of its round trip.
const KM_PER_ROUND_TRIP_MS: i64 = 100;
/// Length of a degree of a great circle in metres (a sphere of 6,371 km).
const METRES_PER_DEGREE: i64 = 111_195;
/// Parts of a degree that angles are counted in.
const PER_DEGREE: i64 = 100;
/// One, as sines are counted.
const ONE: i64 = 100_000;

/// Country, latitude north and longitude east of its centre in degrees.
#[rustfmt::skip]
const CENTRES: &[(&str, i16, i16)] = &[
    ("AE", 24, 54), ("AL", 41, 20), ("AM", 40, 45), ("AR", -34, -64), ("AT", 47, 13),
    ("AU", -27, 133), ("AZ", 41, 48), ("BA", 44, 18), ("BD", 24, 90), ("BE", 51, 4),
    ("BG", 43, 25), ("BH", 26, 51), ("BO", -17, -65), ("BR", -10, -55), ("BY", 53, 28),
    ("CA", 60, -95), ("CH", 47, 8), ("CL", -30, -71), ("CN", 35, 105), ("CO", 4, -72),
    ("CR", 10, -84), ("CY", 35, 33), ("CZ", 50, 16), ("DE", 51, 9), ("DK", 56, 10),
    ("DO", 19, -71), ("DZ", 28, 3), ("EC", -2, -78), ("EE", 59, 26), ("EG", 27, 30),
    ("ES", 40, -4), ("FI", 64, 26), ("FR", 46, 2), ("GB", 54, -2), ("GE", 42, 44),
    ("GH", 8, -2), ("GR", 39, 22), ("GT", 16, -90), ("HK", 22, 114), ("HR", 45, 15),
    ("HU", 47, 20), ("ID", -5, 120), ("IE", 53, -8), ("IL", 31, 35), ("IN", 20, 77),
    ("IQ", 33, 44), ("IR", 32, 53), ("IS", 65, -18), ("IT", 43, 13), ("JO", 31, 36),
    ("JP", 36, 138), ("KE", 1, 38), ("KG", 41, 75), ("KH", 13, 105), ("KR", 37, 128),
    ("KW", 29, 46), ("KZ", 48, 68), ("LA", 18, 105), ("LK", 7, 81), ("LT", 56, 24),
    ("LU", 50, 6), ("LV", 57, 25), ("MA", 32, -5), ("MD", 47, 29), ("ME", 42, 19),
    ("MK", 42, 22), ("MN", 46, 105), ("MO", 22, 114), ("MT", 36, 15), ("MX", 23, -102),
    ("MY", 3, 113), ("NG", 10, 8), ("NL", 52, 6), ("NO", 62, 10), ("NP", 28, 84),
    ("NZ", -41, 174), ("OM", 21, 57), ("PA", 9, -80), ("PE", -10, -76), ("PH", 13, 122),
    ("PK", 30, 70), ("PL", 52, 20), ("PR", 18, -67), ("PT", 40, -8), ("PY", -23, -58),
    ("QA", 26, 51), ("RO", 46, 25), ("RS", 44, 21), ("RU", 60, 100), ("SA", 25, 45),
    ("SE", 62, 15), ("SG", 1, 104), ("SI", 46, 15), ("SK", 49, 20), ("TH", 15, 100),
    ("TN", 34, 9), ("TR", 39, 35), ("TW", 24, 121), ("TZ", -6, 35), ("UA", 49, 32),
    ("US", 38, -97), ("UY", -33, -56), ("UZ", 41, 64), ("VE", 8, -66), ("VN", 16, 108),
    ("ZA", -29, 24),
];

/// Sine of an angle in hundredths of a degree, in parts of [`ONE`], by Bhaskara I's rational
/// approximation (7th century; off by at most 0.0017).
fn sine(angle: i64) -> i64 {
    let half = 180 * PER_DEGREE;
    let turned = angle.rem_euclid(2 * half);
    let (sign, x) = if turned < half {
        (1, turned)
    } else {
        (-1, turned - half)
    };
    let product = x * (half - x);
    let whole = 5 * half * half / 4;
    sign * (4 * product * ONE) / (whole - product)
}

fn cosine(angle: i64) -> i64 {
    sine(angle + 90 * PER_DEGREE)
}

/// The place of a country in the table.
fn place_of(country: Country) -> Option<usize> {
    let at = CENTRES.binary_search_by(|(code, ..)| (*code).cmp(country.as_str()));
    at.ok()
}

/// Round trips in milliseconds between all places of the table, row by row: half the globe is 201.
/// Worked out once, because a search of near countries needs a whole row.
static ROUND_TRIPS_MS: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let pairs = (0..CENTRES.len()).flat_map(|a| (0..CENTRES.len()).map(move |b| (a, b)));
    pairs.map(|(a, b)| between(a, b)).collect()
});

/// Estimated round trip between two countries in milliseconds, rounded up; none when the centre
/// of one of them is not known here. A floor: see the top of the file.
pub fn round_trip_ms(a: Country, b: Country) -> Option<u32> {
    let at = place_of(a)? * CENTRES.len() + place_of(b)?;
    Some(u32::from(ROUND_TRIPS_MS[at]))
}

/// The round trip between two places of the table.
fn between(a: usize, b: usize) -> u8 {
    if a == b {
        return 0;
    }
    let angles = |at: usize| {
        let (_, latitude, longitude) = CENTRES[at];
        let angle = |degrees: i16| i64::from(degrees) * PER_DEGREE;
        (angle(latitude), angle(longitude))
    };
    let ((lat_a, lon_a), (lat_b, lon_b)) = (angles(a), angles(b));
    // Haversine formula: hav(angle) = hav(latitudes) + cos x cos x hav(longitudes), in ONE x ONE.
    let square = |a: i64, b: i64| sine((a - b) / 2).pow(2);
    let cosines = cosine(lat_a) * cosine(lat_b) / ONE;
    let haversine = square(lat_a, lat_b) + square(lon_a, lon_b) / ONE * cosines;
    // The smallest half angle with this square of its sine, which rises up to 90 degrees.
    let (mut low, mut high) = (0, 90 * PER_DEGREE);
    while low < high {
        let middle = (low + high) / 2;
        if sine(middle).pow(2) < haversine {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    let metres = 2 * low * METRES_PER_DEGREE / PER_DEGREE;
    let per_ms = KM_PER_ROUND_TRIP_MS * 1_000;
    u8::try_from((metres + per_ms - 1) / per_ms).unwrap_or(u8::MAX)
}

impl CountrySet {
    /// Countries whose estimated round trip to every one of `regions` is at most so many
    /// milliseconds. A country whose place is not known here is near to none.
    pub fn near(regions: &[Country], round_trip_ms_max: u32) -> Self {
        let places: Option<Vec<usize>> = regions.iter().map(|region| place_of(*region)).collect();
        let Some(places) = places else {
            return Self::EMPTY;
        };
        let is_near = |place: usize, region: usize| {
            u32::from(ROUND_TRIPS_MS[place * CENTRES.len() + region]) <= round_trip_ms_max
        };
        let near = |here: &(usize, &(&str, i16, i16))| {
            places.iter().all(|region| is_near(here.0, *region))
        };
        let near = CENTRES.iter().enumerate().filter(near);
        near.filter_map(|(_, (code, ..))| Country::parse(code))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(a: &str, b: &str) -> Option<u32> {
        round_trip_ms(Country::parse(a).unwrap(), Country::parse(b).unwrap())
    }

    #[test]
    fn estimates_are_the_great_circle_within_a_few_milliseconds() {
        // Distances between the same points by the haversine formula in double precision.
        for (a, b, km) in [
            ("DE", "US", 7_785i64),
            ("DE", "PL", 769),
            ("SI", "HR", 111),
            ("GB", "AU", 15_292),
            ("SG", "NZ", 8_420),
            ("BR", "JP", 16_840),
        ] {
            let estimate = i64::from(ms(a, b).unwrap());
            assert!((estimate - km / 100).abs() <= 2, "{a} {b}: {estimate} ms");
        }
    }

    #[test]
    fn the_table_is_sorted_and_every_distance_is_symmetric_and_at_most_half_the_globe() {
        assert!(CENTRES.is_sorted_by(|a, b| a.0 < b.0));
        for (a, ..) in CENTRES {
            assert_eq!(ms(a, a), Some(0));
            for (b, ..) in CENTRES {
                assert_eq!(ms(a, b), ms(b, a));
                assert!(ms(a, b).unwrap() <= 201);
            }
        }
    }

    #[test]
    fn a_country_without_a_place_is_near_to_none() {
        assert_eq!(ms("ZZ", "ZZ"), None);
        let de = Country::parse("DE").unwrap();
        let near = CountrySet::near(&[de], 15);
        assert!(near.contains(de) && near.contains(Country::parse("FR").unwrap()));
        assert!(!near.contains(Country::parse("US").unwrap()));
        assert!(!near.contains(Country::parse("ZZ").unwrap()));
        assert!(CountrySet::near(&[de, Country::parse("US").unwrap()], 15).is_empty());
    }
}
