// Package sdktest starts a real Jali gateway on made-up data, for tests of programs that use one.
//
//	func TestReport(t *testing.T) {
//		gw := sdktest.Start(t, sdktest.Config{Persons: 2000})
//		alice := gw.Researcher()
//		result, err := alice.Query(t.Context(), sdk.Query{SQL: "SELECT COUNT(*) FROM person", Error: "50"})
//		...
//	}
//
// Nothing is imitated: the program is jali-gateway as it ships, with its own state directory, keys, engine, policy and audit
// log, reached over mutual TLS. What it answers carries real noise, so a test must allow for it (a figure lies outside
// its interval in up to 5 % of askings) and must not expect two fresh questions to agree.
//
// When the test ends, the harness reads the whole log over AuditService, checks the chain from its first entry, the ledgers,
// the signed checkpoint and that every answer handed to the test has its entries, stops the gateway, and fails the test if
// anything is amiss. That also holds after [Gateway.Kill].
//
// The program is $JALI_GATEWAY, or jali-gateway in $JALI_BIN, or else is built from the module with a C compiler (minutes the
// first time, seconds later). Tests that use this package need a Unix system.
package sdktest
