package jali.authz_test

import data.jali.authz

# In order in every respect: 2027-01-15 12:00 UTC, every limit just met.
valid := {
	"now": 1800014400,
	"principal": {"name": "ana", "org": "uni", "role": "researcher", "key": "00"},
	"agreement": {
		"id": "agr-1",
		"version": 1,
		"state": "active",
		"parties": ["uni"],
		"users": ["ana"],
		"purposes": ["DUO:0000042", "EHDS:53.1.d"],
		"datasets": [
			{"id": "claims", "columns": ["persons.*", "visits.cost"], "sensitivity": ["low", "high"]},
			{"id": "other", "columns": ["a.b"], "sensitivity": ["low"]},
		],
		"kinds": ["aggregate"],
		"mode": "dp",
		"valid_from": 1798761600,
		"valid_until": 1830297600,
		"min_error": 10,
		"max_price_pu": 500,
		"per_hour": 20,
		"hours": [12, 13],
	},
	"purpose": "DUO:0000042",
	"query": {
		"kind": "aggregate",
		"dataset": "claims",
		"population": "pop",
		"class": "low",
		"mode": "dp",
		"tables": ["persons", "visits"],
		"columns": [
			{"name": "persons.sex", "sensitivity": "low"},
			{"name": "visits.cost", "sensitivity": "low"},
		],
		"aggregates": ["count", "sum"],
		"cells": 100000,
		"private": false,
		"error": 10,
	},
	"price": {"pu": 500, "nano_rho": "5000000", "delta_e18": "0"},
	"budget": {"agreement_pu": 0},
	"rate": {"last_hour": 19},
}

with_value(path, value) := json.patch(valid, [{"op": "add", "path": path, "value": value}])

without(path) := json.patch(valid, [{"op": "remove", "path": path}])

# What each change makes fail, and nothing else.
changes := [
	{"check": "role", "path": "/principal/role", "value": "custodian"},
	{"check": "role", "path": "/principal/role", "value": "regulator"},
	{"check": "party", "path": "/principal/org", "value": "elsewhere"},
	{"check": "party", "path": "/agreement/parties", "value": []},
	{"check": "user", "path": "/principal/name", "value": "bob"},
	{"check": "state", "path": "/agreement/state", "value": "suspended"},
	{"check": "state", "path": "/agreement/state", "value": "ended"},
	{"check": "validity", "path": "/agreement/valid_from", "value": 1800014401},
	{"check": "validity", "path": "/agreement/valid_until", "value": 1800014400},
	{"check": "purpose_agreed", "path": "/purpose", "value": "DUO:0000006"},
	{"check": "dataset", "path": "/agreement/datasets/0/id", "value": "third"},
	{"check": "tables", "path": "/query/tables", "value": []},
	{"check": "tables", "path": "/query/tables", "value": ["persons", "deaths"]},
	{"check": "tables", "path": "/query/tables", "value": ["visit"]},
	{"check": "columns", "path": "/query/columns/1/name", "value": "visits.date"},
	{"check": "columns", "path": "/query/columns/1/name", "value": "personsx.sex"},
	{"check": "columns", "path": "/query/columns/1/name", "value": "persons"},
	{"check": "columns", "path": "/query/columns/1/name", "value": "persons.a.b"},
	{"check": "sensitivity", "path": "/query/columns/0/sensitivity", "value": "normal"},
	{"check": "kind", "path": "/query/kind", "value": "encrypted"},
	{"check": "mode", "path": "/query/mode", "value": "sdc"},
	{"check": "aggregates", "path": "/query/aggregates", "value": []},
	{"check": "aggregates", "path": "/query/aggregates", "value": ["count", "max"]},
	{"check": "cells", "path": "/query/cells", "value": 100001},
	{"check": "cells", "path": "/query/cells", "value": 0},
	{"check": "cells", "path": "/query/private", "value": true},
	{"check": "accuracy", "path": "/query/error", "value": 9.99},
	{"check": "price", "path": "/price/pu", "value": 501},
	{"check": "price", "path": "/price/pu", "value": 0},
	{"check": "rate", "path": "/rate/last_hour", "value": 20},
	{"check": "hours", "path": "/now", "value": 1800010799},
	{"check": "hours", "path": "/now", "value": 1800018000},
	{"check": "hours", "path": "/agreement/hours", "value": [13, 24]},
	{"check": "input", "path": "/budget/agreement_pu", "value": -1},
]

test_valid_is_allowed if authz.allow with input as valid

test_valid_has_no_reasons if count(authz.reasons) == 0 with input as valid

test_empty_input_is_denied if not authz.allow with input as {}

test_every_change_fails_its_check_only if {
	every change in changes {
		changed := with_value(change.path, change.value)
		missed := authz.required - authz.passed with input as changed
		expected := {change.check} | implied(change)
		missed == expected
		not authz.allow with input as changed
	}
}

# Without its dataset an agreement opens no table, column or class either. An encrypted question is judged by what it declares.
implied(change) := {"tables", "columns", "sensitivity"} if change.check == "dataset"

implied(change) := {"groups", "opening", "size"} if change.check == "kind"

implied(change) := set() if not change.check in {"dataset", "kind"}

test_every_change_gives_one_reason if {
	every change in changes {
		reasons := authz.reasons with input as with_value(change.path, change.value)
		count(reasons) == 1
		every reason in reasons {
			reason.text != ""
			reason.hint != ""
		}
	}
}

test_every_required_check_is_exercised if {
	exercised := {change.check | some change in changes}
	encrypted := {change.check | some change in encrypted_changes}
	(authz.required - exercised) - encrypted == {"purpose_known"}
}

valid_encrypted := json.patch(valid, [
	{"op": "replace", "path": "/query/kind", "value": "encrypted"},
	{"op": "replace", "path": "/query/cells", "value": 5},
	{"op": "replace", "path": "/agreement/kinds", "value": ["encrypted"]},
	{"op": "add", "path": "/agreement/encrypted", "value": {"size": "declared", "min_size": 10, "max_groups": 5, "opening": true}},
	{"op": "add", "path": "/query/encrypted", "value": {
		"form": "category",
		"study": "",
		"aggregate": "count",
		"select": ["visits.cost"],
		"group": ["persons.sex"],
		"filter": [],
		"entries": 100,
		"groups": 5,
		"rule": "exact",
		"min": 10,
		"max": 10,
		"opened": true,
	}},
])

encrypted_changes := [
	{"check": "groups", "path": "/query/encrypted/groups", "value": 6},
	{"check": "groups", "path": "/agreement/encrypted/max_groups", "value": 4},
	{"check": "opening", "path": "/query/encrypted/opened", "value": false},
	{"check": "size", "path": "/query/encrypted/rule", "value": "none"},
	{"check": "size", "path": "/query/encrypted/min", "value": 9},
	{"check": "size", "path": "/query/encrypted/max", "value": 9},
	{"check": "size", "path": "/agreement/encrypted/size", "value": "range"},
	{"check": "size", "path": "/agreement/encrypted/size", "value": "unheard"},
	{"check": "size", "path": "/agreement/encrypted/min_size", "value": 11},
]

test_valid_encrypted_is_allowed if authz.allow with input as valid_encrypted

test_every_encrypted_change_fails_its_check_only if {
	every change in encrypted_changes {
		changed := json.patch(valid_encrypted, [{"op": "replace", "path": change.path, "value": change.value}])
		missed := authz.required - authz.passed with input as changed
		missed == {change.check}
		reasons := authz.reasons with input as changed
		count(reasons) == 1
		every reason in reasons {
			reason.hint != ""
		}
	}
}

test_encrypted_without_description_is_denied if {
	not authz.allow with input as json.patch(valid_encrypted, [{"op": "remove", "path": "/query/encrypted"}])
	not authz.allow with input as json.patch(valid_encrypted, [{"op": "remove", "path": "/agreement/encrypted"}])
}

test_openings_may_be_demanded_of_all if {
	unopened := json.patch(valid_encrypted, [
		{"op": "replace", "path": "/query/encrypted/opened", "value": false},
		{"op": "replace", "path": "/agreement/encrypted/opening", "value": false},
	])
	authz.allow with input as unopened
	not authz.allow with input as unopened with data.jali.encrypted.opening as true
}

test_any_size_needs_no_rule if {
	authz.allow with input as json.patch(valid_encrypted, [
		{"op": "replace", "path": "/agreement/encrypted/size", "value": "any"},
		{"op": "replace", "path": "/agreement/encrypted/min_size", "value": 0},
		{"op": "replace", "path": "/query/encrypted/rule", "value": "none"},
		{"op": "replace", "path": "/query/encrypted/min", "value": 0},
		{"op": "replace", "path": "/query/encrypted/max", "value": 100},
	])
}

test_unknown_purpose_is_denied_even_if_agreed if {
	changed := json.patch(valid, [
		{"op": "replace", "path": "/purpose", "value": "X:1"},
		{"op": "add", "path": "/agreement/purposes/-", "value": "X:1"},
	])
	not authz.allow with input as changed
	codes(changed) == {"purpose_known"}
}

test_purpose_is_reported_once if codes(with_value("/purpose", "X:1")) == {"purpose_known"}

test_two_entries_for_a_dataset_open_nothing if {
	not authz.allow with input as with_value("/agreement/datasets/1/id", "claims")
}

test_empty_users_opens_to_the_party if authz.allow with input as with_value("/agreement/users", [])

test_missing_users_opens_to_nobody if not authz.allow with input as without("/agreement/users")

test_private_keys_have_no_cells if {
	authz.allow with input as json.patch(valid, [
		{"op": "replace", "path": "/query/private", "value": true},
		{"op": "replace", "path": "/query/cells", "value": 0},
	])
}

test_hours_are_in_utc_and_exclude_the_end if {
	authz.allow with input as with_value("/now", 1800014400)
	authz.allow with input as with_value("/now", 1800017999)
}

# A stranger gets one reason, the same whatever else is wrong, without terms.
test_stranger_learns_nothing if {
	strangers := [
		with_value("/principal/org", "elsewhere"),
		with_value("/principal/name", "bob"),
		json.patch(with_value("/principal/org", "elsewhere"), [
			{"op": "replace", "path": "/agreement/state", "value": "ended"},
			{"op": "replace", "path": "/purpose", "value": "X:1"},
		]),
		without("/agreement/parties"),
		{},
	]
	every stranger in strangers {
		reasons := authz.reasons with input as stranger
		reasons == {authz.no_agreement}
	}
}

test_cohort_default if cohort(valid) == 10

test_cohort_of_purpose if cohort(with_value("/purpose", "EHDS:53.1.d")) == 20

test_cohort_of_column if cohort(with_value("/query/columns/0/sensitivity", "high")) == 20

test_cohort_of_dataset if cohort(with_value("/query/class", "high")) == 20

test_long_lists_are_cut if {
	names := [sprintf("t.c%d", [i]) | some i in numbers.range(1, 50)]
	text := authz.list(names)
	endswith(text, ", ...")
	count(split(text, ", ")) == 41
}

test_reason_without_message_is_still_a_reason if {
	reason := authz.reason("nonesuch")
	reason.code == "nonesuch"
	reason.hint != ""
}

cohort(value) := obligations.min_cohort if {
	obligations := authz.obligations with input as value
}

codes(value) := {reason.code | some reason in reasons} if {
	reasons := authz.reasons with input as value
}
