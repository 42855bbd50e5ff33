"""The table without its elements: sets, maps, chains and rules, which are the same for every engine.

How a packet fares:

- *early*: a bridge may send to 127.0.0.0/8 for what is published there (route_localnet), so whatever
  comes from a bridge to or from such an address is dropped, or the host's loopback would be open to
  containers.
- *arriving*, *sent* -> *published*: a new connection to a published port is sent on to the container.
  Never one that arrives for 127.0.0.0/8 from outside: what is published there is for the host alone.
- *passing*: drops what is to enter a bridge unless it belongs to a connection that may be, or was sent
  there by a published port, or stays on the bridge.  It only ever drops traffic of our bridges, and
  accepting means no more than that this table has no objection.
- *leaving*: what leaves a bridge's subnet by another way is given the host's address, and so is what a
  container sends to its own bridge by way of a published port, or the answer would take a short cut and
  not be recognized.

What is sent to ::1 stays where it is, and is refused there at once: the kernel takes the answer for ::1
from no link but the loopback, and has no route_localnet for it.

Source: nft(8).
"""

from __future__ import annotations

from string import Template
from typing import Final

# Priorities are numbers because nft has no name for that of NAT in the output hook.
_DECLARATIONS: Final = Template("""\
table inet $table {
    set bridges { type ifname; }
    set internal { type ifname; }
    set talking { type ifname . ifname; }
    set home4 { type ipv4_addr . ifname; flags interval; }
    set home6 { type ipv6_addr . ifname; flags interval; }
    set hidden4 { type ipv4_addr; flags interval; }
    set hidden6 { type ipv6_addr; flags interval; }
    map everywhere4 { type inet_proto . inet_service : ipv4_addr . inet_service; }
    map everywhere6 { type inet_proto . inet_service : ipv6_addr . inet_service; }
    map at_address4 { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; }
    map at_address6 { type ipv6_addr . inet_proto . inet_service : ipv6_addr . inet_service; }
    chain published { }
    chain early { type filter hook prerouting priority -300; policy accept; }
    chain arriving { type nat hook prerouting priority -100; policy accept; }
    chain sent { type nat hook output priority -100; policy accept; }
    chain passing { type filter hook forward priority 0; policy accept; }
    chain leaving { type nat hook postrouting priority 100; policy accept; }
}
""")
_EMPTYING: Final = Template("""\
flush table inet $table
flush set inet $table bridges
flush set inet $table internal
flush set inet $table talking
flush set inet $table home4
flush set inet $table home6
flush set inet $table hidden4
flush set inet $table hidden6
flush map inet $table everywhere4
flush map inet $table everywhere6
flush map inet $table at_address4
flush map inet $table at_address6
""")
_RULES: Final = Template("""\
table inet $table {
    chain early {
        iifname @bridges ip daddr 127.0.0.0/8 drop
        iifname @bridges ip saddr 127.0.0.0/8 drop
    }
    chain published {
        dnat ip to ip daddr . meta l4proto . th dport map @at_address4
        dnat ip6 to ip6 daddr . meta l4proto . th dport map @at_address6
        fib daddr type != local return
        dnat ip to meta l4proto . th dport map @everywhere4
        dnat ip6 to meta l4proto . th dport map @everywhere6
    }
    chain arriving {
        ip daddr 127.0.0.0/8 return
        jump published
    }
    chain sent {
        ip6 daddr ::1 return
        jump published
    }
    chain passing {
        iifname . oifname @talking accept
        iifname @internal drop
        oifname @internal drop
        oifname @bridges ct state established,related accept
        oifname @bridges ct status dnat accept
        oifname @bridges drop
    }
    chain leaving {
        ip saddr . oifname @home4 ct status dnat masquerade
        ip6 saddr . oifname @home6 ct status dnat masquerade
        ip saddr . oifname @home4 return
        ip6 saddr . oifname @home6 return
        ip saddr @hidden4 masquerade
        ip6 saddr @hidden6 masquerade
        oifname @bridges ip saddr 127.0.0.0/8 masquerade
    }
}
""")


def skeleton(table: str) -> str:
    """Return what makes `table` where there is none, and empties it of elements where it is."""
    return "".join(part.substitute(table=table) for part in (_DECLARATIONS, _EMPTYING, _RULES))
