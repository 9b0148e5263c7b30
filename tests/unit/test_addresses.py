"""`name@ADDRESS` holds only for logins from that address: IPv4, IPv6, a network of either, or LOCAL."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import accesscontrol
import reference
from login_attempts import Case, attempt, decide, ignored, limits, line, verdict


def fits(place, rhost):
    """Whether bob may log in from a host when he may from that place."""
    assert ignored(f"SSH OPEN USER bob@{place}") == []
    assert verdict(f"SSH OPEN USER bob@{place}", user="alice", rhost=rhost) == "CLOSE"
    return verdict(f"SSH OPEN USER bob@{place}", user="bob", rhost=rhost) == "OPEN"


@pytest.mark.parametrize(("place", "inside", "outside"), [
    ("10.0.0.1", ["10.0.0.1", "::ffff:10.0.0.1", "::ffff:a00:1", "::FFFF:10.0.0.1"],
    ["10.0.0.2", "::10.0.0.1", "::a00:1", ""]),
    ("10.0.0.0/8", ["10.0.0.0", "10.255.255.255", "::ffff:10.1.2.3"],
    ["9.255.255.255", "11.0.0.0", "::ffff:11.0.0.0", "::1"]),
    ("10.1.2.3/8", ["10.0.0.0", "10.255.255.255"], ["9.255.255.255", "11.0.0.0"]),
    ("10.0.0.0/08", ["10.0.0.0", "10.255.255.255"], ["9.255.255.255", "11.0.0.0"]),
    ("192.0.2.128/25", ["192.0.2.128", "192.0.2.255"], ["192.0.2.127", "192.0.3.0"]),
    ("192.0.2.6/31", ["192.0.2.6", "192.0.2.7"], ["192.0.2.5", "192.0.2.8"]),
    ("192.0.2.6/32", ["192.0.2.6"], ["192.0.2.5", "192.0.2.7"]),
    ("128.0.0.0/1", ["128.0.0.0", "255.255.255.255"], ["127.255.255.255", "8000::"]),
    ("0.0.0.0/0", ["0.0.0.0", "255.255.255.255", "::ffff:1.2.3.4"], ["::", "::1", "2001:db8::1", ""]),
    ("2001:db8::1", ["2001:db8::1", "2001:DB8:0:0:0:0:0:1", "2001:0db8::0.0.0.1"], ["2001:db8::2", "0.0.0.1", ""]),
    ("2001:db8::/32", ["2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"], ["2001:db7:ffff::", "2001:db9::"]),
    ("2001:db8::7/127", ["2001:db8::6", "2001:db8::7"], ["2001:db8::5", "2001:db8::8"]),
    ("2001:db8::7/128", ["2001:db8::7"], ["2001:db8::6"]),
    ("8000::/1", ["8000::", "ffff::"], ["7fff::", "128.0.0.1"]),
    ("::/0", ["::", "::1", "ffff::", "::1.2.3.4"], ["0.0.0.0", "10.0.0.1", "::ffff:10.0.0.1", ""]),
    ("::1", ["::1", "0:0:0:0:0:0:0:1"], ["127.0.0.1", ""]),
    ("fe80::1%eth0", ["fe80::1", "fe80::1%eth0", "fe80::1%wlan0"], ["fe80::2%eth0"]),
    ("fe80::1", ["fe80::1%eth0"], ["fe80::2%eth0"]),
    ("fe80::%eth0/10", ["fe80::1", "febf::1%eth1"], ["fec0::1"]),
    ("::ffff:10.0.0.1", ["10.0.0.1", "::ffff:10.0.0.1"], ["10.0.0.2", "::10.0.0.1"]),
    ("::ffff:10.0.0.0/104", ["10.0.0.0", "10.255.255.255", "::ffff:10.1.1.1"], ["11.0.0.0", "9.255.255.255"]),
    ("::ffff:a00:1/128", ["10.0.0.1"], ["10.0.0.0"]),
    ("::ffff:0:0/96", ["0.0.0.0", "255.255.255.255"], ["::", "::fffe:1.2.3.4"]),
    ("::ffff:0:0/95", ["::fffe:1.2.3.4"], ["1.2.3.4", "::ffff:1.2.3.4"]),
    ("LOCAL", [""], ["127.0.0.1", "::1", "localhost", "LOCAL", "0.0.0.0", "10.0.0.1"]),
])
def test_a_place_has_these_hosts_in_it_and_not_those(place, inside, outside):
    assert [host for host in inside if not fits(place, host)] == []
    assert [host for host in outside if fits(place, host)] == []


@pytest.mark.parametrize("rhost", [
    "host.example.org", "localhost", "10.0.0", "10.0.0.256", "010.0.0.1", "10.0.0.1 ", " 10.0.0.1", "10.0.0.1\n",
    "10.0.0.1\0", "10.0.0.1/32", "10.0.0.1%eth0", "[::1]", "::1/128", "::g", "1", "0x0a000001", "10.0.0.\u0661",
    "\udcff", "%", "%eth0", "fe80::1%", "/", "x" * 70000,
])
def test_a_remote_host_that_is_no_address_is_in_no_place(rhost):
    assert accesscontrol.parse_address(rhost) is None
    for place in ("10.0.0.1", "0.0.0.0/0", "::/0", "LOCAL"):
        assert not fits(place, rhost)


@pytest.mark.parametrize(("rhost", "shown"), [
    ("::ffff:192.0.2.7", "192.0.2.7"), ("::FFFF:c000:207", "192.0.2.7"),
    ("192.0.2.7", "192.0.2.7"), ("2001:db8::7", "2001:db8::7"), ("::fffe:192.0.2.7", "::fffe:192.0.2.7"),
    ("host.example.org", "host.example.org"), ("", "LOCAL"), ("LOCAL", "local"),
])
def test_an_ipv4_address_in_ipv6_form_is_shown_as_the_ipv4_address_that_it_is(rhost, shown):
    assert str(attempt(rhost=rhost)) == f"bob@{shown}"


@pytest.mark.parametrize("rhost", ["host.example.org", "10.0.0.256", "localhost"])
@pytest.mark.parametrize("rule", [
    "SSH CLOSE USER {}", "SSH ASK USER {}", "SSH NUMBER USER {}:9", "SSH NUMBER USER root:0,{}:9",
])
def test_where_an_address_would_close_a_host_without_one_is_refused(rhost, rule):
    text = "DEFAULT:OPEN\n" + rule.format("bob@10.0.0.0/8")
    assert (verdict(text, rhost=rhost), line(text, rhost=rhost)) == ("CLOSE", 2)
    assert verdict(text, rhost=rhost, user="alice") == "OPEN"
    assert verdict(text, rhost="11.0.0.1") == "OPEN"
    assert verdict(text, rhost="") == "OPEN"


@pytest.mark.parametrize("rule", ["SSH CLOSE GROUP {}", "SSH ASK GROUP {}", "SSH NUMBER GROUP {}:9"])
def test_but_only_somebody_whom_that_entry_is_about(rule):
    text = "DEFAULT:OPEN\n" + rule.format("guests@10.0.0.0/8")
    assert verdict(text, rhost="host.example.org", groups={"guests": True}) == "CLOSE"
    assert verdict(text, rhost="host.example.org", groups={"guests": False}) == "OPEN"


def test_what_is_local_is_never_in_doubt():
    for action in ("CLOSE USER bob@LOCAL", "ASK USER bob@LOCAL", "NUMBER USER bob@LOCAL:0"):
        assert verdict(f"DEFAULT:OPEN\nSSH {action}", rhost="host.example.org") == "OPEN"
        assert limits(f"DEFAULT:OPEN\nSSH {action}", rhost="host.example.org") == []


def test_another_entry_that_fits_takes_the_doubt_away():
    assert verdict("SSH ASK USER bob@10.0.0.0/8,bob", rhost="host.example.org") == "ASK"
    assert verdict("SSH ASK USER ALL,bob@10.0.0.0/8", rhost="host.example.org") == "ASK"
    assert verdict("SSH ASK GROUP lp@10.0.0.0/8,users", rhost="host.example.org", groups=["lp", "users"]) == "ASK"


def test_an_open_with_an_address_passes_a_host_without_one_on_to_the_next_rule():
    text = "SSH OPEN USER bob@10.0.0.0/8\nSSH ASK USER bob"
    assert (verdict(text, rhost="host.example.org"), line(text, rhost="host.example.org")) == ("ASK", 2)


def test_everyone_from_a_place():
    assert verdict("SSH OPEN USER ALL@10.0.0.0/8", user="whoever", rhost="10.0.0.1") == "OPEN"
    assert verdict("SSH OPEN USER ALL@10.0.0.0/8", user="whoever", rhost="11.0.0.1") == "CLOSE"
    assert verdict("SSH OPEN GROUP ALL@LOCAL", user="whoever", rhost="") == "OPEN"
    assert verdict('SSH OPEN USER "ALL"@10.0.0.0/8', user="whoever", rhost="10.0.0.1") == "CLOSE"


def test_a_name_before_an_address_may_have_an_at_of_its_own():
    assert verdict("SSH OPEN USER bob@example.org@10.0.0.1", user="bob@example.org", rhost="10.0.0.1") == "OPEN"
    assert verdict("SSH OPEN USER bob@example.org@10.0.0.1", user="bob@example.org", rhost="10.0.0.2") == "CLOSE"


def test_the_count_of_a_limit_stands_behind_the_last_colon_of_an_ipv6_address():
    assert limits("DEFAULT:OPEN\nSSH NUMBER USER bob@::1:3", rhost="::1") == [(2, "USER", "bob", 3)]
    assert limits("DEFAULT:OPEN\nSSH NUMBER USER bob@1::2:3", rhost="1::2") == [(2, "USER", "bob", 3)]
    assert limits("DEFAULT:OPEN\nSSH NUMBER USER bob@2001:db8:::5", rhost="2001:db8::") == [(2, "USER", "bob", 5)]
    assert limits("DEFAULT:OPEN\nSSH NUMBER USER bob@2001:db8::/32:5", rhost="2001:db8::") == [(2, "USER", "bob", 5)]


def test_the_group_of_an_entry_that_is_for_another_address_is_not_looked_up():
    rules = accesscontrol.parse("SSH CLOSE GROUP lp@10.0.0.0/8\nSSH NUMBER GROUP lp@::1:2,lp@LOCAL:2\nDEFAULT:OPEN",
        "/etc/rules")
    somebody = attempt(groups=None)
    assert accesscontrol.decide(rules, somebody).verdict == "OPEN"
    assert somebody.person.asked == []


def test_the_reason_for_a_refusal_names_the_host():
    assert "host.example.org" in decide("SSH CLOSE USER bob@10.0.0.0/8", rhost="host.example.org").why


# --- the reference reads addresses by hand; both must take and leave the same ones ------------------------------------

PIECES = ("0", "1", "10", "255", "256", "ffff", "a00", "db8", "2001", "fe80", "01", "00001", ":", "::", ".", "/", "%",
    "eth0",
          "8", "24", "32", "33", "64", "95", "96", "104", "127", "128", "129", "10.0.0.1", "::ffff:", "-", "g", "LOCAL",
          "\u0661")
texts = st.lists(st.sampled_from(PIECES), max_size=9).map("".join)
addresses = st.ip_addresses().map(str) | st.ip_addresses(v=4).map(lambda four: f"::ffff:{four}")
networks = st.builds("{}/{}".format, addresses, st.integers(0, 129))


@settings(max_examples=800)
@given(texts | addresses)
def test_both_take_the_same_texts_for_addresses(text):
    expected = reference.read_address(text)
    assert accesscontrol.parse_address(text) == (expected and (expected.max_prefixlen, int(expected)))


@settings(max_examples=800)
@given(texts | networks, addresses | st.just(""))
def test_both_take_the_same_texts_for_networks_with_the_same_addresses_in_them(place, rhost):
    assert (accesscontrol.parse_network(place) is None) == (reference.read_place(place) is None)
    text = f"SSH OPEN USER bob@{place}"
    expected = reference.decide(reference.parse(text), Case(rhost=rhost))[0]
    assert verdict(text, rhost=rhost) == expected


@settings(max_examples=500)
@given(networks)
def test_the_first_and_the_last_address_are_in_a_network_and_their_neighbours_are_not(text):
    network = reference.read_network(text)
    if network is None:
        return
    first, last = int(network[0]), int(network[-1])
    for number in (first - 1, first, last, last + 1):
        if 0 <= number < 1 << network.max_prefixlen:
            address = type(network[0])(number)
            in_clothes = address.version == 6 and address.ipv4_mapped is not None  # that one is an IPv4 address
            assert fits(str(network), str(address)) == (first <= number <= last and not in_clothes)
