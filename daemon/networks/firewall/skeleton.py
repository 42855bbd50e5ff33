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
_SKELETON: Final = Template("""\
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

    chain early {
        type filter hook prerouting priority -300; policy accept;
        iifname @bridges ip daddr 127.0.0.0/8 drop
        iifname @bridges ip saddr 127.0.0.0/8 drop
    }
    chain published {
        meta l4proto != { tcp, udp, sctp } return
        dnat ip to ip daddr . meta l4proto . th dport map @at_address4
        dnat ip6 to ip6 daddr . meta l4proto . th dport map @at_address6
        fib daddr type != local return
        dnat ip to meta l4proto . th dport map @everywhere4
        dnat ip6 to meta l4proto . th dport map @everywhere6
    }
    chain arriving {
        type nat hook prerouting priority -100; policy accept;
        ip daddr 127.0.0.0/8 return
        jump published
    }
    chain sent {
        type nat hook output priority -100; policy accept;
        ip6 daddr ::1 return
        jump published
    }
    chain passing {
        type filter hook forward priority 0; policy accept;
        iifname . oifname @talking accept
        iifname @internal drop
        oifname @internal drop
        oifname @bridges ct state established,related accept
        oifname @bridges ct status dnat accept
        oifname @bridges drop
    }
    chain leaving {
        type nat hook postrouting priority 100; policy accept;
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
    """Return what makes `table` where there is none."""
    return _SKELETON.substitute(table=table)
