"""SANS-IO: what each socket type does with messages and peers; knows no wire and no Trio."""

from __future__ import annotations

from .base import Drop as Drop
from .base import Inlet as Inlet
from .base import Outlet as Outlet
from .base import Pattern as Pattern
from .base import Peer as Peer
from .base import Refused as Refused
from .dealer import Dealer as Dealer
from .pair import Pair as Pair
from .publish import Pub as Pub
from .publish import XPub as XPub
from .push_pull import Pull as Pull
from .push_pull import Push as Push
from .rep import Rep as Rep
from .req import Req as Req
from .router import Router as Router
from .stream import Stream as Stream
from .subscribe import Sub as Sub
from .subscribe import XSub as XSub
