import msgspec

from homeostat.engines.features.layout import Metadata, Row, metadata_key, named, row_key, succeed

FIRST = succeed(None, "h1", ["tenure"], ["Int64"])
SECOND = succeed(FIRST, "h2", ["tenure", "plan"], ["Int64", "String"])


def test_keys_and_short_field_names_are_those_that_are_documented() -> None:
    assert metadata_key("churn", "customers") == "homeostat:churn:customers"
    assert row_key("churn", "customers", "7590-VHVEG") == "homeostat:churn:customers:7590-VHVEG"
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(Row("h1", 1.5, [7]))) == {"s": "h1", "t": 1.5, "v": [7]}
    assert set(msgspec.msgpack.decode(msgspec.msgpack.encode(FIRST))) == {"s", "f", "ty", "through", "old", "e"}


def test_a_row_is_named_by_the_schema_it_was_written_under() -> None:
    assert named(SECOND, Row("h2", 0.0, [7, "dsl"])) == {"tenure": 7, "plan": "dsl"}


def test_a_row_from_before_a_feature_was_appended_is_served_without_it() -> None:
    assert named(SECOND, Row("h1", 0.0, [7])) == {"tenure": 7, "plan": None}


def test_a_row_of_an_unknown_schema_is_not_served() -> None:
    assert named(SECOND, Row("h0", 0.0, [7])) is None


def test_a_row_of_the_wrong_length_is_not_served() -> None:
    assert named(SECOND, Row("h2", 0.0, [7])) is None


def test_rows_of_a_schema_that_was_not_extended_but_replaced_are_not_served() -> None:
    replaced = succeed(SECOND, "h3", ["tenure"], ["String"])
    assert replaced.earlier == {}
    assert named(replaced, Row("h1", 0.0, [7])) is None


def test_earlier_schemas_are_remembered_over_several_extensions() -> None:
    third = succeed(SECOND, "h3", ["tenure", "plan", "age"], ["Int64", "String", "Int64"])
    assert third.earlier == {"h1": 1, "h2": 2}


def test_the_same_schema_again_keeps_everything() -> None:
    known = Metadata("h1", ["tenure"], ["Int64"], through=5.0)
    assert succeed(known, "h1", ["tenure"], ["Int64"]) is known


def test_the_type_of_the_key_is_recorded_once_it_is_known_and_kept_by_a_writer_that_does_not_know_it() -> None:
    typed = succeed(FIRST, "h1", ["tenure"], ["Int64"], "Int64")
    assert typed.entity_type == "Int64"
    assert succeed(typed, "h1", ["tenure"], ["Int64"]) is typed
    assert succeed(typed, "h1", ["tenure"], ["Int64"], "Int64") is typed
    assert succeed(typed, "h2", ["tenure", "plan"], ["Int64", "String"], "String").entity_type == "String"
    assert succeed(None, "h1", ["tenure"], ["Int64"], "Int64").entity_type == "Int64"


def test_metadata_of_a_release_that_did_not_record_the_type_of_the_key_are_read() -> None:
    stored = msgspec.msgpack.encode({"s": "h1", "f": ["tenure"], "ty": ["Int64"], "through": None, "old": {}})
    assert msgspec.msgpack.decode(stored, type=Metadata).entity_type == ""
