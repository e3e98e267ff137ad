package pgwire

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"jali/gateway"
)

// settings are what a session has said about the questions to come, and what clients of PostgreSQL set and ask for.
type settings struct {
	values map[string]string
	start  map[string]string // what RESET returns to
}

// The settings that matter. The others are kept because clients set them, and change nothing.
const (
	setAgreement = "jali.agreement"
	setPurpose   = "jali.purpose"
	setDataset   = "jali.dataset"
	setError     = "jali.error"
	setErrorFor  = "jali.error_for"
	setIntervals = "jali.intervals"
	setQuote     = "jali.quote"
	setQuoteID   = "jali.quote_id"
	setRequestID = "jali.request_id"
)

// ours are the settings of questions, with the most bytes of each; 0 marks a switch.
var ours = map[string]int{
	setAgreement: 64, setPurpose: 64, setDataset: 64, setError: 32, setErrorFor: 2048, setIntervals: 0, setQuote: 0, setQuoteID: 64, setRequestID: 64,
}

// theirs are PostgreSQL's, with the values they begin with.
var theirs = map[string]string{
	"application_name": "", "bytea_output": "hex", "client_encoding": "UTF8", "client_min_messages": "notice", "datestyle": "ISO, MDY",
	"default_transaction_isolation": "read committed", "default_transaction_read_only": "on", "extra_float_digits": "1", "geqo": "off",
	"idle_in_transaction_session_timeout": "0", "integer_datetimes": "on", "intervalstyle": "postgres", "jit": "off", "ksqo": "off", "lock_timeout": "0",
	"max_identifier_length": "63", "max_index_keys": "32", "row_security": "on", "search_path": publicSchema, "server_encoding": "UTF8",
	"server_version": serverVersion, "server_version_num": "150000", "standard_conforming_strings": "on", "statement_timeout": "0",
	"synchronize_seqscans": "off", "timezone": "UTC", "transaction_isolation": "read committed", "transaction_read_only": "on", "tcp_keepalives_idle": "0",
	"lc_collate": "C", "lc_ctype": "C", "lc_messages": "C", "lc_monetary": "C", "lc_numeric": "C", "lc_time": "C", "is_superuser": "off",
}

// fixed cannot be set to anything but what they are.
var fixed = []string{
	"integer_datetimes", "max_identifier_length", "max_index_keys", "server_encoding", "server_version", "server_version_num", "is_superuser",
	"standard_conforming_strings", "lc_collate", "lc_ctype",
}

// reported are told to the client when they change, under the names PostgreSQL uses.
var reported = map[string]string{
	"application_name": "application_name", "client_encoding": "client_encoding", "datestyle": "DateStyle", "intervalstyle": "IntervalStyle",
	"timezone": "TimeZone", "standard_conforming_strings": "standard_conforming_strings", "server_version": "server_version",
	"server_encoding": "server_encoding", "integer_datetimes": "integer_datetimes", "is_superuser": "is_superuser",
	"default_transaction_read_only": "default_transaction_read_only",
}

// serverVersion is a PostgreSQL whose catalogue queries are answered; clients choose theirs by it.
const serverVersion = "15.0 (Jali)"

// maxSetting bounds values that are only kept.
const maxSetting = 256

func newSettings() *settings {
	s := &settings{values: maps.Clone(theirs)}
	for name, most := range ours {
		s.values[name] = ""
		if most == 0 {
			s.values[name] = "off"
		}
	}
	return s
}

// started fixes what RESET returns to.
func (s *settings) started() { s.start = maps.Clone(s.values) }

func (s *settings) on(name string) bool { return s.values[name] == "on" }

// set changes a setting. The error names it and never shows its value.
func (s *settings) set(name, value string) error {
	name = strings.ToLower(name)
	old, known := s.values[name]
	most, mine := ours[name]
	switch {
	case !known:
		return unknownSetting(name)
	case mine && most == 0:
		on, ok := truth(value)
		if !ok {
			return &fault{code: "22023", message: name + " is on or off", hint: "SET " + name + " = on"}
		}
		value = on
	case mine && len(value) > most:
		return &fault{code: "22023", message: fmt.Sprintf("%s is longer than %d bytes", name, most), hint: "check the value"}
	case name == setErrorFor:
		if _, err := errorFor(value); err != nil {
			return err
		}
	case mine:
	case name == "client_encoding":
		switch strings.ToUpper(strings.Trim(value, "'\"")) {
		case "UTF8", "UTF-8", "UNICODE", "SQL_ASCII":
			value = "UTF8"
		default:
			return &fault{code: "22023", message: "the gateway speaks UTF-8 only", hint: "set client_encoding to UTF8; with ODBC take the Unicode driver"}
		}
	case slices.Contains(fixed, name):
		if !strings.EqualFold(value, old) {
			return &fault{code: "55P02", message: name + " cannot be changed", hint: "leave it as it is"}
		}
		value = old
	case name == "datestyle":
		if !strings.HasPrefix(strings.ToUpper(value), "ISO") {
			return &fault{code: "22023", message: "dates are written as ISO 8601", hint: "SET datestyle = ISO"}
		}
		value = old
	case len(value) > maxSetting:
		return &fault{code: "22023", message: name + " is too long", hint: "check the value"}
	}
	s.values[name] = strings.ToValidUTF8(strings.ReplaceAll(value, "\x00", ""), "\uFFFD")
	return nil
}

func unknownSetting(name string) error {
	hint := "settings of questions: " + strings.Join(slices.Sorted(maps.Keys(ours)), ", ")
	return &fault{code: "42704", message: "there is no setting " + clip(name), hint: hint}
}

func truth(s string) (string, bool) {
	switch strings.ToLower(s) {
	case "on", "true", "yes", "1", "t":
		return "on", true
	case "off", "false", "no", "0", "f", "":
		return "off", true
	}
	return "", false
}

// errorFor reads "n = 50, kilos = 0.5": half-widths of outputs by name.
func errorFor(s string) (map[string]string, error) {
	if strings.TrimSpace(s) == "" {
		return nil, nil
	}
	out := map[string]string{}
	for _, part := range strings.Split(s, ",") {
		name, value, ok := strings.Cut(part, "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if !ok || name == "" || value == "" || out[name] != "" || len(out) == 64 {
			return nil, &fault{code: "22023", message: setErrorFor + " lists names and half-widths, each name once", hint: "SET jali.error_for = 'n = 50, kilos = 0.5'"}
		}
		out[name] = value
	}
	return out, nil
}

// request is a question under the session's settings. What the contract of the other port refuses at its edge is refused here in the same way: it is
// no question yet.
func (s *settings) request(sql string) (gateway.Request, error) {
	missing := func(setting, example string) error {
		return &fault{
			code: "22023", message: "the session has not set " + setting,
			hint: "SET " + setting + " = " + example + ", or connect with options='-c " + setting + "=" + strings.Trim(example, "'") + "'",
		}
	}
	r := gateway.Request{
		Agreement: s.values[setAgreement], Purpose: s.values[setPurpose], Dataset: s.values[setDataset], SQL: sql, Error: s.values[setError],
		RequestID: s.values[setRequestID], QuoteID: s.values[setQuoteID],
	}
	switch {
	case r.Agreement == "":
		return r, missing(setAgreement, "'agr-id'")
	case r.Purpose == "":
		return r, missing(setPurpose, "'DUO:0000006'")
	case r.Error == "":
		return r, missing(setError, "50")
	case sql == "" || len(sql) > maxQuestion:
		return r, &fault{code: "54000", message: fmt.Sprintf("a question has from 1 to %d bytes", maxQuestion), hint: "shorten lists"}
	}
	var err error
	r.ErrorFor, err = errorFor(s.values[setErrorFor])
	return r, err
}

// maxQuestion is that of the contract of the other port.
const maxQuestion = 131_072

// used forgets what is for one question only.
func (s *settings) used() { s.values[setQuoteID], s.values[setRequestID] = "", "" }
