"""What the engine says to a child arrives as it was said."""

from __future__ import annotations

import pytest

from daemon.copying.orders import Bind, CopyOrder, View

VIEW = View("/root", 7, (Bind("/a", "/b", True, False), Bind("/\udcff", "/d")), ("/proc",), True)


@pytest.mark.parametrize(
    "order", [CopyOrder(VIEW, "/x y\n\udcff", True, (1, 2)), CopyOrder(View("/root"), "/")]
)
def test_an_order_survives_its_way(order: CopyOrder) -> None:
    assert CopyOrder.read(order.write()) == order
