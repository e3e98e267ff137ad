package policy

import (
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// removed builtins read the network, the process, a clock or a random source, run text as policy, or handle keys. A
// bundle that calls one does not compile. Builtins that OPA itself marks as nondeterministic are removed too, whatever
// their name, so that an upgrade of OPA cannot add a hole.
var removed = []string{
	"http.send",
	"io.jwt.decode_verify",
	"net.lookup_ip_addr",
	"opa.runtime",
	"providers.aws.sign_req",
	"rand.intn",
	"rego.parse_module",
	"time.now_ns",
	"trace",
	"uuid.rfc4122",
}

// removedPrefixes are families: io.jwt.encode_sign and io.jwt.encode_sign_raw.
var removedPrefixes = []string{"io.jwt.encode_sign"}

// capabilities are what a bundle may use. AllowNet is empty, not nil: no host may be reached, not even for a schema.
func capabilities() *ast.Capabilities {
	caps := ast.CapabilitiesForThisVersion(ast.CapabilitiesRegoVersion(ast.RegoV1))
	caps.Builtins = slices.DeleteFunc(slices.Clone(caps.Builtins), func(b *ast.Builtin) bool {
		return b.Nondeterministic || slices.Contains(removed, b.Name) ||
			slices.ContainsFunc(removedPrefixes, func(p string) bool { return strings.HasPrefix(b.Name, p) })
	})
	caps.AllowNet = []string{}
	return caps
}
