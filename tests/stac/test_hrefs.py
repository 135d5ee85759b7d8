"""Where hrefs lead, and which are refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stacchip_osml.errors import ItemError
from stacchip_osml.stac.hrefs import TRUSTED, alternate_href, is_remote, resolve_href

REMOTE_BASE = "https://host.example/a/b/item.json?sig=secret"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "root" / "scene").mkdir(parents=True)
    (tmp_path / "root" / "scene" / "x y.tif").touch()
    (tmp_path / "outside.tif").touch()
    return tmp_path / "root"


@pytest.mark.parametrize(
    ("href", "location"),
    [
        ("x.tif", "https://host.example/a/b/x.tif"),
        ("./x.tif?token=1", "https://host.example/a/b/x.tif?token=1"),
        ("../x.tif", "https://host.example/a/x.tif"),
        ("../../x.tif", "https://host.example/x.tif"),
        ("HTTPS://Other.example/x.tif", "https://Other.example/x.tif"),
        ("s3://bucket/key with #hash.tif", "s3://bucket/key with #hash.tif"),
        ("s3a://bucket/key.tif", "s3://bucket/key.tif"),
        ("gs://bucket/key.tif", "gs://bucket/key.tif"),
        ("abfs://container/key.tif", "az://container/key.tif"),
        ("abfss://c@acc.dfs.core.windows.net/k.tif", "https://acc.blob.core.windows.net/c/k.tif"),
    ],
)
def test_hrefs_of_a_remote_item_resolve_to_urls(href, location):
    assert resolve_href(href, base=REMOTE_BASE, roots=()) == location


def test_relative_hrefs_stay_in_the_bucket_of_their_item():
    assert resolve_href("../x.tif", base="s3://bucket/a?/b#/item.json", roots=()) == "s3://bucket/a?/x.tif"


@pytest.mark.parametrize(
    ("href", "reason"),
    [
        ("/vsicurl/https://host/x.tif", "virtual file systems"),
        ("//vsis3/bucket/x.tif", "virtual file systems"),
        ("/VSIZIP/x.zip", "virtual file systems"),
        ("%2Fvsimem/x", "virtual file systems"),
        ("<VRTDataset/>", "is a document"),
        (" <VRTDataset/>", "is a document"),
        ('{"type": "x"}', "is a document"),
        ("zip+https://host/x.zip!y.tif", "no scheme"),
        ("zip+file:///x.zip", "no scheme"),
        ("vrt:///etc/passwd", "no scheme"),
        ("NETCDF:x.nc:var", "no scheme"),
        ("HDF5:x.h5://var", "no scheme"),
        ("GTIFF_DIR:1:x.tif", "no scheme"),
        ("NITF_IM:0:x.ntf", "no scheme"),
        ("ftp://host/x.tif", "no scheme"),
        ("C:/x.tif", "no scheme"),
        ("http:/x.tif", "no scheme"),
        ("https://", "no host"),
        ("x\0.tif", "control characters"),
        ("x\n.tif", "control characters"),
        ("..\\..\\x.tif", "backslash"),
        ("file://server/share/x.tif", "no other machine"),
        ("file:x.tif", "are absolute"),
    ],
)
@pytest.mark.parametrize("roots", [(), TRUSTED])
def test_texts_that_are_no_plain_path_or_url_are_refused_even_to_trusted_items(href, reason, roots):
    with pytest.raises(ItemError, match=reason):
        resolve_href(href, base="/data/item.json", roots=roots)


@pytest.mark.parametrize("href", ["/etc/passwd", "//host/x.tif", "file:///etc/passwd", "../../../x.tif"])
def test_a_remote_item_reaches_no_local_file_and_does_not_climb(href):
    with pytest.raises(ItemError, match="is refused"):
        resolve_href(href, base=REMOTE_BASE, roots=())


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST.",
        "db.internal",
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "169.254.169.254",
        "10.0.0.8",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "user:pw@192.168.1.1:8080",
    ],
)
def test_a_remote_item_names_no_host_of_this_network(host):
    with pytest.raises(ItemError, match="host of this network"):
        resolve_href(f"http://{host}/latest/meta-data", base=REMOTE_BASE, roots=())


def test_an_item_served_from_this_network_may_name_its_own_server():
    base = "http://127.0.0.1:8000/item.json"
    assert resolve_href("http://127.0.0.1:9000/x.tif", base=base, roots=()) == "http://127.0.0.1:9000/x.tif"


def test_a_local_item_reaches_files_under_its_roots(folder):
    base, roots = str(folder / "scene" / "item.json"), (str(folder),)
    expected = str((folder / "scene" / "x y.tif").resolve())
    for href in ("x y.tif", "./x%20y.tif", "../scene/x y.tif", expected, f"file://{expected.replace(' ', '%20')}"):
        assert resolve_href(href, base=base, roots=roots) == expected


@pytest.mark.parametrize(
    "href", ["../../outside.tif", "%2e%2e/%2e%2e/outside.tif", "..%2f..%2foutside.tif", "/etc/passwd", "link.tif"]
)
def test_a_local_item_does_not_leave_its_roots(folder, href):
    (folder / "scene" / "link.tif").symlink_to(folder.parent / "outside.tif")
    with pytest.raises(ItemError, match="leads outside"):
        resolve_href(href, base=str(folder / "scene" / "item.json"), roots=(str(folder),))


def test_percent_encoded_climbing_is_refused_where_the_target_exists(folder):
    with pytest.raises(ItemError, match="leads outside"):
        resolve_href("%2e%2e/%2e%2e/outside.tif", base=str(folder / "scene" / "item.json"), roots=(str(folder),))


def test_a_root_is_a_folder_and_not_a_prefix(folder):
    sibling = folder.parent / "root-2"
    sibling.mkdir()
    (sibling / "x.tif").touch()
    with pytest.raises(ItemError, match="leads outside"):
        resolve_href(str(sibling / "x.tif"), base=str(folder / "item.json"), roots=(str(folder),))


def test_a_relative_href_without_a_base_is_refused():
    with pytest.raises(ItemError, match="nothing says where its item lies"):
        resolve_href("x.tif", base=None, roots=TRUSTED)


@pytest.mark.parametrize("href", [None, 3, "", "  ", ["x.tif"]])
def test_hrefs_that_are_no_text_are_refused(href):
    with pytest.raises(ItemError, match="href must be text"):
        resolve_href(href, base="/data/item.json", roots=TRUSTED)


def test_messages_hold_no_secret():
    with pytest.raises(ItemError) as caught:
        resolve_href("http://me:hunter2@10.0.0.1/x?X-Amz-Signature=abc", base=REMOTE_BASE, roots=())
    assert "hunter2" not in str(caught.value)
    assert "abc" not in str(caught.value)


@given(href=st.text(max_size=60))
def test_no_text_leads_a_remote_item_to_a_local_path(href):
    try:
        location = resolve_href(href, base=REMOTE_BASE, roots=())
    except ItemError:
        return
    assert is_remote(location)


@given(parts=st.lists(st.sampled_from(["..", ".", "a", "b c", "%2e%2e", "%2F", "/", "x.tif"]), max_size=8))
def test_no_path_leads_a_local_item_out_of_its_roots(tmp_path_factory, parts):
    root = tmp_path_factory.getbasetemp() / "law"
    root.mkdir(exist_ok=True)
    try:
        location = resolve_href("/".join(parts), base=str(root / "item.json"), roots=(str(root),))
    except ItemError:
        return
    assert location == str(root.resolve()) or location.startswith(str(root.resolve()) + "/")


def test_alternate_hrefs_are_found_by_name():
    asset = {"href": "https://h/x.tif", "alternate": {"s3": {"href": "s3://b/x.tif"}, "bad": 3}}
    assert alternate_href(asset, prefer="s3") == "s3://b/x.tif"
    assert alternate_href(asset, prefer="bad") is None
    assert alternate_href({"href": "x"}, prefer="s3") is None
