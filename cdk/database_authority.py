"""The certificate authority of RDS in each region: clients that verify the database's certificate need it.

`database_authorities.pem` holds Amazon's own roots (RSA 2048, valid until 2061), each under a line with its region.
"""

from functools import cache
from pathlib import Path

FILE = Path(__file__).with_name("database_authorities.pem")


@cache
def regions() -> dict[str, str]:
    """The certificate of each region, in PEM."""
    sections = FILE.read_text().split("# ")[1:]
    named = (section.split("\n", 1) for section in sections)
    return {region: certificate.strip() + "\n" for region, certificate in named}
