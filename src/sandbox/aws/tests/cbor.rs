//! CBOR and JSON values.

use serde_json::json;

use super::super::cbor::{decode, encode};

#[test]
fn values_survive_the_way_there_and_back() {
    let value = json!({
        "Name": "a name", "Whole": 12, "Negative": -3, "Double": 1.5, "WholeDouble": 2.0,
        "On": true, "Nothing": null, "List": [1, "two", {"Three": 3.0}], "Timestamps": [1_700_000_000.0, 1_700_000_060.5],
    });
    assert_eq!(decode(&encode(&value)).unwrap(), value);
}

#[test]
fn a_whole_double_is_not_written_as_an_integer() {
    assert_eq!(encode(&json!(2.0))[0], 0xfb);
    assert_eq!(encode(&json!(2)), [0x02]);
}

#[test]
fn collections_without_a_length_are_read() {
    // {_ "a": [_ 1, 2]}
    let bytes = [0xbf, 0x61, b'a', 0x9f, 0x01, 0x02, 0xff, 0xff];
    assert_eq!(decode(&bytes).unwrap(), json!({"a": [1, 2]}));
}

#[test]
fn damaged_and_bottomless_input_is_refused() {
    assert!(decode(&[0xa1, 0x61]).is_err());
    assert!(decode(&[0x01, 0x02]).is_err(), "a second value after the first");
    assert!(decode(&[0x81; 100]).is_err(), "lists in lists in lists");
}
