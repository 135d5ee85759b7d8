"""Metadata in memory."""

from collections.abc import MutableMapping

import pytest

from stacchip_osml.encode import BufferedMetadataProvider


class Told:
    """Metadata of another library: entries(), and several values of a key."""

    def entries(self):
        return {"IC": "NC", "PIAPEA": {"LASTNME": "DURHAM"}}

    def get_all(self, key):
        return [{"LASTNME": "DURHAM"}, {"LASTNME": "DAILEY"}] if key == "PIAPEA" else [self.entries()[key]]


def test_it_is_a_mutable_mapping_with_the_documented_names():
    metadata = BufferedMetadataProvider()
    metadata["IMODE"] = "B"
    metadata.set("IC", "NC")
    metadata.update({"NPPBH": "256", "NPPBV": "256"})

    assert isinstance(metadata, MutableMapping)
    assert metadata.get("IMODE") == "B"
    assert metadata.get("NONE") is None
    assert metadata.entries("NPP") == {"NPPBH": "256", "NPPBV": "256"}
    assert metadata.as_dict() == metadata.entries() == {"IMODE": "B", "IC": "NC", "NPPBH": "256", "NPPBV": "256"}
    del metadata["IC"]
    assert list(metadata) == ["IMODE", "NPPBH", "NPPBV"]


def test_nothing_is_shared_with_a_source_or_with_what_comes_out():
    fields = {"XFRM_FLAG": "00"}
    source = BufferedMetadataProvider({"ICHIPB": fields, "33550": [1.0, 2.0]})
    copied = BufferedMetadataProvider(source=source)

    fields["XFRM_FLAG"] = "01"
    copied["ICHIPB"]["XFRM_FLAG"] = "02"
    copied["IC"] = "C8"
    source.entries()["33550"].append(3.0)

    assert source.as_dict() == {"ICHIPB": {"XFRM_FLAG": "00"}, "33550": [1.0, 2.0]}
    assert copied["ICHIPB"] == {"XFRM_FLAG": "02"}


def test_a_prefix_chooses_what_is_copied():
    assert BufferedMetadataProvider({"ISCLAS": "U", "IC": "NC"}, prefix="IS").as_dict() == {"ISCLAS": "U"}


def test_a_key_may_have_several_values_in_order():
    metadata = BufferedMetadataProvider(Told())
    assert metadata["PIAPEA"] == {"LASTNME": "DURHAM"}
    metadata.append("PIAPEA", {"LASTNME": "WEBB"})
    assert [each["LASTNME"] for each in metadata.get_all("PIAPEA")] == ["DURHAM", "DAILEY", "WEBB"]
    assert BufferedMetadataProvider.from_provider(metadata).get_all("PIAPEA") == metadata.get_all("PIAPEA")

    metadata["PIAPEA"] = {"LASTNME": "ONE"}
    assert metadata.get_all("PIAPEA") == [{"LASTNME": "ONE"}]
    metadata.set_all("PIAPEA", [])
    assert "PIAPEA" not in metadata
    assert metadata.get_all("PIAPEA") == []


def test_order_is_that_of_setting_over_all_keys():
    metadata = BufferedMetadataProvider()
    metadata.append("B", 1)
    metadata.append("A", 2)
    metadata.append("B", 3)

    assert metadata.ordered() == [("B", 1), ("A", 2), ("B", 3)]
    metadata["A"] = 4  # keeps its place
    assert metadata.copy().ordered() == [("B", 1), ("A", 4), ("B", 3)]


def test_wrong_sources_and_keys_are_type_errors():
    with pytest.raises(TypeError, match="copied from a mapping, or what has entries"):
        BufferedMetadataProvider(42)
    with pytest.raises(TypeError, match="metadata keys are text, got 259"):
        BufferedMetadataProvider()[259] = "x"
    with pytest.raises(TypeError, match="metadata keys are text"):
        BufferedMetadataProvider().append(1, "x")
