"""Where hrefs lead, and which are refused."""

import re
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stacchip_osml.errors import ItemError
from stacchip_osml.stac import hrefs
from stacchip_osml.stac.hrefs import MAX_HREF, TRUSTED, alternate_href, is_remote, resolve_href

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
        ("abfs://container/key@2x.tif", "az://container/key@2x.tif"),
        ("https://me:pw@Other.example:8443/x.tif", "https://me:pw@Other.example:8443/x.tif"),
        ("https://[2606:4700::1]/x.tif", "https://[2606:4700::1]/x.tif"),
        ("https://my_bucket.example/x.tif", "https://my_bucket.example/x.tif"),
        ("https://other.example/a b/\u00e4%20.tif?x=\u2713", "https://other.example/a%20b/%C3%A4%20.tif?x=%E2%9C%93"),
        ("a b/\u00e4%20.tif", "https://host.example/a/b/a%20b/%C3%A4%20.tif"),
        ("s3://bucket/a b/\u00e4.tif", "s3://bucket/a b/\u00e4.tif"),
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
        ("http://127%2e0%2e0%2e1/x.tif", "host is not spelled"),
        ("http://%6cocalhost/x.tif", "host is not spelled"),
        ("http://%31%32%37.0.0.1:80/x.tif", "host is not spelled"),
        ("http://\uff11\uff12\uff17.\uff10.\uff10.\uff11/x.tif", "host is not spelled"),
        ("http://127\u30020\u30020\u30021/x.tif", "host is not spelled"),
        ("http://\u2460\u2461\u2466.\u24ea.\u24ea.\u2460/x.tif", "host is not spelled"),
        ("http://b\u00fccher.example/x.tif", "host is not spelled"),
        ("http:// 127.0.0.1/x.tif", "host is not spelled"),
        ("http://host.example:port/x.tif", "host is not spelled"),
        ("http://a@b@host.example/x.tif", "host is not spelled"),
        ("http://host.example#@127.0.0.1/x.tif", "host is not spelled"),
        ("http://[::1%25lo]/x.tif", "host is not spelled"),
        ("http://[1.2.3.4.5]/x.tif", "host is not spelled"),
        ("http://[::1/x.tif", "host is not spelled"),
        ("http://a..example/x.tif", "host is not spelled"),
        ("http://.example/x.tif", "host is not spelled"),
        (f"http://{'a' * 64}.example/x.tif", "host is not spelled"),
        (f"http://{'a.' * 126}example/x.tif", "host is not spelled"),
        ("http://host.example:65536/x.tif", "host is not spelled"),
        ("s3://../x.tif", "no name of a bucket"),
        (" http://127.0.0.1/x.tif", "white space stands before its scheme"),
        ("\u00a0http://127.0.0.1/x.tif", "white space stands before its scheme"),
        ("\u2003file:///etc/passwd", "white space stands before its scheme"),
        ("s3://bucket/../../other/x.tif", "it climbs"),
        ("gs://bucket/a/./x.tif", "it climbs"),
        ("az://container/..", "it climbs"),
        ("s3://127.0.0.1:80/x.tif", "no name of a bucket"),
        ("s3://localhost?/x.tif", "no name of a bucket"),
        ("s3://user@bucket/x.tif", "no name of a bucket"),
        ("s3:///x.tif", "no host or bucket"),
        ("abfss://a?b@acc.dfs.core.windows.net/x.tif", "no name of a container"),
        ("\ud800.tif", "half a character"),
        ("https://host.example/\udfff.tif", "half a character"),
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
        "127.0.0.1.:80",
        "0",
        "0177.0.0.1",
        "vm",
        "metadata:80",
        "99999999999",
        "nas.lan",
        "api.default.svc",
        "224.0.0.1",
        "[::]",
        "[fe80::1]",
        "[fd00::1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
    ],
)
def test_a_remote_item_names_no_host_of_this_network(host):
    with pytest.raises(ItemError, match="host of this network"):
        resolve_href(f"http://{host}/latest/meta-data", base=REMOTE_BASE, roots=())


@pytest.mark.parametrize("host", ["127.0.0.1", "169.254.169.254:80", "vm", "user@10.0.0.1"])
@pytest.mark.parametrize("scheme", ["abfs", "ABFSS"])
def test_a_storage_account_is_judged_as_the_host_that_it_becomes(scheme, host):
    with pytest.raises(ItemError, match="host of this network"):
        resolve_href(f"{scheme}://container@{host}/x.tif", base=REMOTE_BASE, roots=())


@pytest.mark.parametrize(
    "base", ["http://127.0.0.1:8000/item.json", "http://localhost/i.json", "http://[::1]:80/i.json"]
)
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:9000", "LOCALHOST.", "127.1", "[::1]", "api.localhost"])
def test_what_is_served_on_this_machine_may_name_it_by_any_of_its_names(base, host):
    assert resolve_href(f"http://{host}/x.tif", base=base, roots=()) == f"http://{host}/x.tif"


@pytest.mark.parametrize(
    "base", ["http://localhost/i.json", "http://127.0.0.1/i.json", "http://vm/i.json", "s3://vm/i"]
)
@pytest.mark.parametrize("host", ["10.0.0.1", "169.254.169.254", "0.0.0.0", "db", "vm.local"])
def test_being_served_from_this_network_opens_no_other_host_of_it(base, host):
    with pytest.raises(ItemError, match="host of this network"):
        resolve_href(f"http://{host}/x.tif", base=base, roots=())


def test_a_bucket_lends_its_name_to_no_host():
    with pytest.raises(ItemError, match="host of this network"):
        resolve_href("http://metadata/x.tif", base="s3://metadata/item.json", roots=())


def test_one_host_may_be_spelled_in_two_ways():
    base = "http://10.0.0.1:8000/item.json"
    assert resolve_href("http://0x0a000001/x.tif", base=base, roots=()) == "http://0x0a000001/x.tif"


def test_relative_hrefs_of_an_item_whose_own_host_is_misspelled_are_refused():
    with pytest.raises(ItemError, match="host is not spelled"):
        resolve_href("x.tif", base="http://127%2e0.0.1/item.json", roots=())
    with pytest.raises(ItemError, match="half a character"):
        resolve_href("x.tif", base="http://h.example/\ud800/item.json", roots=())


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
    with pytest.raises(ItemError, match=r"leads outside .*roots=, --root name other folders"):
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


@pytest.mark.parametrize("part", ["a/", "%2e%2e/", "https://h/a/", "a"])
def test_long_hrefs_are_refused_unread(part, folder):
    base, roots = str(folder / "item.json"), (str(folder),)
    href = part * (MAX_HREF // len(part) + 1)
    with pytest.raises(ItemError, match=f"href of {len(href)} characters is refused: the limit is {MAX_HREF}"):
        resolve_href(href, base=base, roots=roots)
    assert resolve_href(("./" * MAX_HREF)[: MAX_HREF - 2] + "x.tif"[-2:], base=base, roots=roots)


@given(href=st.text(max_size=60))
def test_no_text_leads_a_remote_item_to_a_local_path(href):
    try:
        location = resolve_href(href, base=REMOTE_BASE, roots=())
    except ItemError:
        return
    assert is_remote(location)
    assert urlsplit(location).hostname == "host.example" or urlsplit(href).hostname == urlsplit(location).hostname
    assert location.isascii()


INTERNAL = st.one_of(
    st.ip_addresses(network="127.0.0.0/8"),
    st.ip_addresses(network="10.0.0.0/8"),
    st.ip_addresses(network="169.254.0.0/16"),
    st.ip_addresses(network="192.168.0.0/16"),
)
SPELLINGS = st.sampled_from(
    [
        str,
        lambda ip: str(int(ip)),
        lambda ip: hex(int(ip)),
        lambda ip: ".".join(f"0{part:o}" for part in ip.packed),
        lambda ip: f"[::ffff:{ip}]",
        lambda ip: f"[64:ff9b::{ip}]",
        lambda ip: f"{ip}.",
        lambda ip: "".join(f"%{ord(c):02x}" for c in str(ip)),
        lambda ip: str(ip).translate({ord(c): ord(c) + 0xFEE0 for c in "0123456789"}),
        lambda ip: f"host.example@{ip}",
        lambda ip: f"host.example%40{ip}",
    ]
)


@given(
    ip=INTERNAL, spell=SPELLINGS, scheme=st.sampled_from(["http", "HTTPS", "abfss"]), port=st.sampled_from(["", ":80"])
)
def test_no_spelling_of_an_internal_address_is_let_through(ip, spell, scheme, port):
    container = "c@" if scheme == "abfss" else ""
    with pytest.raises(ItemError, match=r"host of this network|host is not spelled"):
        resolve_href(f"{scheme}://{container}{spell(ip)}{port}/x.tif", base=REMOTE_BASE, roots=())


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


HOSTS = (
    "host.example",
    "HOST.example:80",
    "localhost",
    "10.0.0.1",
    "8.8.8.8",
    "a..b",
    "h.local",
    "127.1",
    "x_y.example",
)
HOSTS += ("host.example:99999", "host.example.", "-a.b", "[::1]", "u:p@host.example", "")


@given(
    scheme=st.sampled_from(["http", "https", "HTTPS", "s3"]),
    host=st.sampled_from(HOSTS),
    path=st.text(st.sampled_from("/aZ0.-_~%2f?#&=[]{}|\\^ \x00\u00e4"), max_size=8),
    base=st.sampled_from([None, REMOTE_BASE, "http://127.0.0.1:8000/a/item.json"]),
    roots=st.sampled_from([(), ("/data",)]),
)
def test_plain_urls_mean_what_the_rules_make_of_them(scheme, host, path, base, roots):
    def outcome():
        try:
            return resolve_href(f"{scheme}://{host}/{path}", base=base, roots=roots)
        except ItemError as error:
            return str(error)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hrefs, "_PLAIN_URL", re.compile("(?!)"))
        by_the_rules = outcome()
    assert outcome() == by_the_rules
