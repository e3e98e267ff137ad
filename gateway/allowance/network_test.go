package allowance

import (
	"net"
	"testing"
)

func TestNetwork(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.1:5": "192.0.2.1", "[::ffff:192.0.2.1]:5": "192.0.2.1", "[2001:db8:1:2:3::4]:5": "2001:db8:1:2::", "[fe80::1%lo]:5": "fe80::",
	} {
		a, err := net.ResolveTCPAddr("tcp", in)
		if err != nil {
			t.Fatal(err)
		}
		if got := Network(a).String(); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}
