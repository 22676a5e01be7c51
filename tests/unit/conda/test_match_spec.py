"""`lading.conda.match_spec`: one spelling for every MatchSpec that people write."""

import pytest

from lading.conda.match_spec import MatchSpec, parse_matchspec
from lading.errors import SpecError


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("numpy", "numpy"),
        ("  PyYAML ", "pyyaml"),
        ("_libgcc_mutex 0.1 conda_forge", "_libgcc_mutex ==0.1 conda_forge"),
        ("foo.bar>=2", "foo.bar >=2"),
        ("python=3.12", "python 3.12.*"),
        ("python==3.12", "python ==3.12"),
        ("python 3.12", "python ==3.12"),
        ("python ==3.11.*", "python 3.11.*"),
        ("python=3.11.*", "python 3.11.*"),
        ("python 3.1*", "python 3.1.*"),
        ("python=3.12=h1_0", "python ==3.12 h1_0"),
        ("python =3.12 h1_0", "python ==3.12 h1_0"),
        ("python=3.12.*=*_cpython", "python 3.12.* *_cpython"),
        ("pytorch>=2.7.0=cuda12*", "pytorch >=2.7.0 cuda12*"),
        ("foo>=1,<2=x*", "foo >=1,<2 x*"),
        ("foo=*=mpich*", "foo * mpich*"),
        ("foo=1.2=*", "foo ==1.2"),
        ("foo *", "foo"),
        ("foo * *", "foo"),
        ("argopy<1.4.0  # wait for xarray", "argopy <1.4.0"),
        ("numpy >= 1.26 , < 3", "numpy >=1.26,<3"),
        ("numpy >= 1.26 py312*", "numpy >=1.26 py312*"),
        ("numpy = 1.26", "numpy 1.26.*"),
        ("foo 1.2|1.3.*|>=2", "foo ==1.2|1.3.*|>=2"),
        ("foo >=1,*", "foo >=1"),
        ("foo 1|*", "foo"),
        ("foo!=1.2.*", "foo !=1.2.*"),
        ("foo ~=1.2", "foo ~=1.2"),
        ("foo >=3.*", "foo >=3"),
        ("foo <4.*", "foo <4"),
        ("foo 1!2.0+local.1", "foo ==1!2.0+local.1"),
        ("openssl 1.1.1_", "openssl ==1.1.1_"),
        ("foo 1.0RC1", "foo ==1.0rc1"),
        ("conda-forge::numpy", "conda-forge::numpy"),
        ("conda-forge/label/rc::numpy 2.*", "conda-forge/label/rc::numpy 2.*"),
        ("https://host.invalid/ch/::numpy", "https://host.invalid/ch::numpy"),
        ("foo[version='>=1,<2',build=\"x*\"]", "foo >=1,<2 x*"),
        ("foo[version='=1.2', channel=conda-forge]", "conda-forge::foo 1.2.*"),
        ("foo >=1[build=x]", "foo >=1 x"),
        ("foo[]", "foo"),
        ("foo[build_number=2]", 'foo[build_number="==2"]'),
        ("foo >=1[build_number='>= 03']", 'foo >=1[build_number=">=3"]'),
        ('foo[extras="test"]', "foo[extras=[test]]"),
        ("foo[extras=[b, 'a', b]]", "foo[extras=[a,b]]"),
        ('foo=1[flags=["cuda", "blas:*"]]', "foo 1.*[flags=[blas:*,cuda]]"),
        ('foo>=2[when="python>=3.10"]', 'foo >=2[when="python>=3.10"]'),
        ("foo[version=2,when=__unix]", 'foo ==2[when="__unix"]'),
        (
            "foo[when=\"python =3.8 or (a and b[build='x*',flags=[f]])\"]",
            "foo[when=\"python[version='3.8.*'] or (a and b[build='x*',flags=[f]])\"]",
        ),
    ],
)
def test_one_spelling(written: str, expected: str) -> None:
    """Every way of writing a query ends in the same text, which stays as it is."""
    assert expected == parse_matchspec(written).text
    assert expected == parse_matchspec(expected).text


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("", "does not begin with a package name"),
        (">=2", "does not begin with a package name"),
        ("numpy pandas", "'pandas' is not a version query"),
        ("numpy >=1 <2", "'<2' is not a build string"),
        ("numpy 1 2 3", "more than a version and a build"),
        ("numpy=", "'=' is not a version query"),
        ("numpy >=", "'>=' is not a version query"),
        ("numpy ~=1.*", "`~=` does not take a `*`"),
        ("numpy 2.*.1", "is not a version query"),
        ("numpy ^1.*$", "regular expressions"),
        ("numpy (>=1,<2)|3", "parentheses"),
        ("numpy[version='1'", "brackets"),
        ("numpy[md5=abc]", "'abc' is not a md5"),
        ("numpy[subdir=x]", "'x' is not a subdir"),
        ("numpy[license=MIT]", "cannot keep `license`"),
        ("conda-forge/linux-64::numpy[subdir=noarch]", "names its subdir twice"),
        ("https://x.invalid/numpy.conda", "is not the URL of a conda package"),
        ("numpy[build_number='~=3']", "'~=3' is not a build number"),
        ("numpy[version=[1,2]]", "`version` is not a list"),
        ('numpy[extras="a, b"]', "'a, b' is not one of the extras"),
        ("numpy[extras=[]]", "'' is not one of the extras"),
        ("numpy[extras=Test]", "'Test' is not one of the extras"),
        ("numpy[flags=[a:b:c]]", "'a:b:c' is not one of the flags"),
        ('numpy[when=""]', "its condition cannot be read: a query is expected"),
        ('numpy[when="a b"]', "its condition cannot be read: 'b' stands where"),
        ('numpy[when="a[when=b]"]', "a condition asks for neither"),
        ("numpy[version]", "not a list of KEY=VALUE"),
        ("numpy[version=1,version=2]", "names its version twice"),
        ("numpy 1[version=2]", "names its version twice"),
        ("a b::numpy", "is not a channel"),
    ],
)
def test_refused(written: str, reason: str) -> None:
    """What cannot be meant, or cannot be kept, is refused by name and with an example."""
    with pytest.raises(SpecError) as caught:
        parse_matchspec(written)
    assert repr(written) in str(caught.value)
    assert reason in str(caught.value)
    assert "such as `numpy >=1.26,<3`" in caught.value.hint


def test_parts() -> None:
    """The parts are kept apart."""
    expected = MatchSpec(name="numpy", version=">=2", build="py*", channel="conda-forge")
    assert expected == parse_matchspec("conda-forge::numpy>=2=py*")
