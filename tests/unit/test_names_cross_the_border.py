"""Names are UTF-8 text inside the program. Python may hand them over, and take them, in another encoding.

In pam_python the file-system encoding of Python 3.13 is ascii, whatever the locale.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import accesscontrol

MODULE = Path(accesscontrol.__file__).parent
NAMES = [b"bob", b"", b"g\xc3\xa4ste", b"j\xc3\xbcrgen", b"j\xfcrgen", b"\xc3", b"\xe5\xbc\xa0\xe4\xbc\x9f",
         b"\xff\xfe", b"domain users", b"EXAMPLE\\bob", b"\xed\xb2\x80", b"\xf0\x9f\x98\x80", bytes(range(1, 256))]
ASCII = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"}
CHILD = """
import os, sys
sys.path.insert(0, sys.argv[1])
sys.dont_write_bytecode = True
import accesscontrol
assert sys.getfilesystemencoding() == sys.argv[2], sys.getfilesystemencoding()
for number in sys.argv[3:]:
    data = bytes.fromhex(number)
    text = data.decode("utf-8", "surrogateescape")
    assert accesscontrol.from_system(os.fsdecode(data)) == text, (data, "comes in as another name")
    assert os.fsencode(accesscontrol.to_nss(text)) == data, (data, "goes out as another name")
    assert accesscontrol.from_system(accesscontrol.to_nss(text)) == text, (data, "does not come back")
"""

texts = st.text(max_size=20) | st.binary(max_size=40).map(lambda data: data.decode("utf-8", "surrogateescape"))


@pytest.mark.parametrize(("option", "environment", "encoding"), [
    ("-Xutf8=0", ASCII, "ascii"),
    ("-Xutf8=0", {**ASCII, "LC_ALL": "POSIX"}, "ascii"),
    ("-Xutf8=0", {"LC_ALL": "C.UTF-8"}, "utf-8"),
    ("-Xutf8=1", ASCII, "utf-8"),
], ids=["C", "POSIX", "C.UTF-8", "UTF-8 mode"])
def test_each_name_is_the_same_in_and_out_in_every_locale(option, environment, encoding):
    child = [sys.executable, "-S", option, "-c", CHILD, str(MODULE), encoding, *(name.hex() for name in NAMES)]
    told = subprocess.run(child, env=environment, capture_output=True, text=True, check=False)
    assert (told.returncode, told.stderr) == (0, "")


@given(texts)
def test_a_name_that_goes_out_comes_back_as_it_was(name):
    assert accesscontrol.from_system(accesscontrol.to_nss(name)) == name


@given(texts)
def test_what_goes_out_is_the_bytes_of_the_name_however_python_encodes_it(name):
    out = accesscontrol.to_nss(name)
    assert out.encode("ascii", "surrogateescape") == os.fsencode(out) == name.encode("utf-8", "surrogateescape")


@given(st.binary(max_size=40))
def test_what_comes_in_is_the_same_name_whether_python_took_it_for_ascii_or_for_utf8(data):
    assert accesscontrol.from_system(data.decode("ascii", "surrogateescape")) == accesscontrol.from_system(
        data.decode("utf-8", "surrogateescape")) == data.decode("utf-8", "surrogateescape")
