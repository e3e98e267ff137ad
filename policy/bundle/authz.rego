# METADATA
# title: Jali's default policy
# description: |
#   A query is allowed only if the set of checks that passed equals the set of checks required. There is no deny rule:
#   a field that is missing, misspelt or of the wrong type makes its check undefined, and an undefined check has not passed.
package jali.authz

default allow := false

allow if passed == required

required := {
	"accuracy",
	"aggregates",
	"cells",
	"columns",
	"dataset",
	"groups",
	"hours",
	"input",
	"kind",
	"mode",
	"opening",
	"party",
	"price",
	"purpose_agreed",
	"purpose_known",
	"rate",
	"role",
	"sensitivity",
	"size",
	"state",
	"tables",
	"user",
	"validity",
}

# Who asks.

passed contains "role" if data.jali.roles[input.principal.role]

passed contains "party" if input.principal.org in input.agreement.parties

passed contains "user" if count(input.agreement.users) == 0

passed contains "user" if input.principal.name in input.agreement.users

# Under what.

passed contains "state" if input.agreement.state == "active"

passed contains "validity" if {
	input.now >= input.agreement.valid_from
	input.now < input.agreement.valid_until
}

passed contains "purpose_known" if data.jali.purposes[input.purpose]

passed contains "purpose_agreed" if input.purpose in input.agreement.purposes

# What is asked.

passed contains "dataset" if opened

passed contains "tables" if {
	count(input.query.tables) > 0
	every table in input.query.tables {
		some column in opened.columns
		startswith(column, concat("", [table, "."]))
	}
}

passed contains "columns" if {
	every column in input.query.columns {
		column_opened(column.name)
	}
}

passed contains "sensitivity" if {
	every column in input.query.columns {
		column.sensitivity in opened.sensitivity
	}
}

passed contains "kind" if {
	data.jali.kinds[input.query.kind]
	input.query.kind in input.agreement.kinds
}

passed contains "mode" if {
	data.jali.modes[input.query.mode]
	input.query.mode == input.agreement.mode
}

passed contains "aggregates" if {
	count(input.query.aggregates) > 0
	every aggregate in input.query.aggregates {
		data.jali.aggregates[aggregate]
	}
}

passed contains "cells" if {
	input.query.private == false
	input.query.cells >= 1
	input.query.cells <= data.jali.limits.max_cells
}

# Private keys are not enumerated before the query runs: their threshold limits what is released.
passed contains "cells" if {
	input.query.private == true
	input.query.cells == 0
}

# An encrypted question: nobody sees what is selected, so the declared size rule, the groups and the opening are what can be judged.

passed contains check if {
	input.query.kind != "encrypted"
	some check in {"groups", "opening", "size"}
}

passed contains "groups" if {
	input.query.kind == "encrypted"
	input.query.encrypted.groups <= input.agreement.encrypted.max_groups
	input.query.encrypted.groups <= data.jali.encrypted.max_groups
}

# The gateway holds uploads to the agreement's auditor by itself; a policy may want every agreement to have one.
passed contains "opening" if {
	input.query.kind == "encrypted"
	input.query.encrypted.opened == true
}

passed contains "opening" if {
	input.query.kind == "encrypted"
	input.query.encrypted.opened == false
	input.agreement.encrypted.opening == false
	data.jali.encrypted.opening == false
}

passed contains "size" if {
	input.query.kind == "encrypted"
	input.query.encrypted.rule in data.jali.encrypted.sizes[input.agreement.encrypted.size]
	input.query.encrypted.min >= input.agreement.encrypted.min_size
	input.query.encrypted.max >= input.query.encrypted.min
}

# How exactly and how often.

passed contains "accuracy" if {
	input.agreement.min_error > 0
	input.query.error >= input.agreement.min_error
}

passed contains "price" if {
	input.price.pu >= 1
	input.price.pu <= input.agreement.max_price_pu
}

passed contains "rate" if {
	input.rate.last_hour >= 0
	input.rate.last_hour < input.agreement.per_hour
}

passed contains "hours" if {
	hour := floor((input.now % 86400) / 3600)
	hour >= input.agreement.hours[0]
	hour < input.agreement.hours[1]
}

# Fields that no other check reads still have to be there: they are recorded with the decision.
passed contains "input" if {
	input.principal.name
	input.principal.key
	input.agreement.id
	input.agreement.version >= 1
	input.query.population
	input.query.class
	input.price.nano_rho
	input.price.delta_e18
	input.budget.agreement_pu >= 0
}

# The one entry of the agreement that opens the dataset. Two entries conflict and leave it undefined.
opened := entries[0] if {
	entries := [entry | some entry in input.agreement.datasets; entry.id == input.query.dataset]
	count(entries) == 1
}

column_opened(name) if name in opened.columns

column_opened(name) if {
	parts := split(name, ".")
	count(parts) == 2
	concat("", [parts[0], ".*"]) in opened.columns
}

# What an allow carries. The strictest cohort of default, purpose, dataset class and column sensitivities wins.
obligations := object.union(
	{
		"min_cohort": max(cohorts),
		"max_cells": data.jali.limits.max_cells,
	},
	control,
)

# In mode sdc the parameters of classical disclosure control are a part of every grant.
default control := {}

control := {"sdc": data.jali.sdc} if input.query.mode == "sdc"

cohorts contains data.jali.limits.min_cohort

cohorts contains data.jali.purposes[input.purpose].min_cohort

cohorts contains data.jali.classes[input.query.class].min_cohort

cohorts contains data.jali.classes[column.sensitivity].min_cohort if some column in input.query.columns
