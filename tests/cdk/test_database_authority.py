"""The certificates that clients verify the database by."""

import re
import ssl

import pytest

from cdk.database_authority import regions


@pytest.mark.parametrize("region", sorted(regions()))
def test_each_region_has_an_authority_of_its_own_that_is_still_good(region: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=regions()[region])
    (authority,) = context.get_ca_certs()
    assert f"Amazon RDS {region} Root CA RSA2048 G1" in str(authority["subject"])
    expires = re.search(r"\d{4}", str(authority["notAfter"]))
    assert expires is not None
    assert int(expires[0]) >= 2060
