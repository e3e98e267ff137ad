package allowance

import (
	"net"
	"net/netip"
)

// Network is the address that counts as one party's where connections are counted: of IPv6 the network of 64 bits that one host usually has.
// What is no address is the zero value, one party.
func Network(a net.Addr) netip.Addr {
	at, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.Addr{}
	}
	ip := at.Addr().Unmap().WithZone("")
	if ip.Is6() {
		if p, err := ip.Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return ip
}
