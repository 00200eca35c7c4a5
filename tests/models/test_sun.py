import pytest

from models.geo import GeoPoint
from models.sun import sun_height_deg

SHANGHAI = GeoPoint(121.47, 31.23)
NINE_S = 1_772_294_400.0 + 9 * 3600
"""Of 1 March 2026 there."""


@pytest.mark.parametrize(("hour", "low", "high"), [(12.0, 48, 53), (0.0, -70, -60), (6.3, -2, 3), (18.0, -3, 2)])
def test_the_sun_of_a_march_day_in_shanghai(hour: float, low: float, high: float) -> None:
    """Noon 51°, rise 6:18, set 17:55: any almanac."""
    assert low <= sun_height_deg(SHANGHAI, NINE_S + (hour - 9) * 3600) <= high
