# Reasons of a refusal: one per failed check, for the researcher: a code, what is wrong, what to do. Texts quote terms of
# the agreement and of this policy only, never a value of the query, and an agreement's terms only to those it names.
package jali.authz

# A stranger learns neither an agreement's terms nor that it exists: this is also the reason for an unknown id.
reasons contains no_agreement if not named

reasons contains reason(code) if {
	named
	some code in (required - passed)
	not explained(code)
}

named if {
	"party" in passed
	"user" in passed
}

no_agreement := {
	"code": "agreement",
	"text": "no agreement of this id is open to you",
	"hint": "check the id; ask your project lead whether your organisation and certificate name are listed in it",
}

# A check that cannot pass because another failed is not reported beside it.
explained("purpose_agreed") if not "purpose_known" in passed

explained("tables") if not "dataset" in passed

explained("columns") if not "dataset" in passed

explained("columns") if not "tables" in passed

explained("sensitivity") if not "dataset" in passed

explained("groups") if not "kind" in passed

explained("opening") if not "kind" in passed

explained("size") if not "kind" in passed

# A question that is not described fails all three: one reason is enough.
explained("groups") if not input.query.encrypted

explained("opening") if not input.query.encrypted

reason(code) := object.union({"code": code}, message[code])

reason(code) := {
	"code": code,
	"text": concat("", ["the check \"", code, "\" did not pass"]),
	"hint": "ask the custodian of the data, naming this code",
} if {
	not message[code]
}

message["role"] := {
	"text": "your certificate does not have a role that may query",
	"hint": concat("", ["use a certificate with the role ", list(names(data.jali.roles))]),
}

message["state"] := {
	"text": concat("", ["the agreement is ", input.agreement.state]),
	"hint": "ask the custodian to make it active again",
}

message["validity"] := {
	"text": concat("", [
		"the agreement is valid from ",
		day(input.agreement.valid_from),
		" until ",
		day(input.agreement.valid_until),
		" (UTC, end excluded)",
	]),
	"hint": "ask the custodian for a renewed agreement if you need another period",
}

message["purpose_known"] := {
	"text": "the purpose is not one this gateway knows",
	"hint": concat("", ["use a purpose of your agreement: ", list(input.agreement.purposes)]),
}

message["purpose_agreed"] := {
	"text": "the purpose is not one of the agreement's",
	"hint": concat("", ["use one of: ", list(input.agreement.purposes)]),
}

message["dataset"] := {
	"text": "the agreement does not open this dataset",
	"hint": concat("", ["use one of: ", list([entry.id | some entry in input.agreement.datasets])]),
}

message["tables"] := {
	"text": "the query reads a table of which the agreement opens no column",
	"hint": concat("", ["the agreement opens: ", list(opened.columns)]),
}

message["columns"] := {
	"text": "the query reads a column that the agreement does not open",
	"hint": concat("", ["the agreement opens: ", list(opened.columns)]),
}

message["sensitivity"] := {
	"text": "the query reads a column of a sensitivity class that the agreement does not open",
	"hint": concat("", [
		"leave it out (see the catalogue for classes); the agreement opens columns of class ",
		list(opened.sensitivity),
	]),
}

message["kind"] := {
	"text": "the agreement does not open this kind of query",
	"hint": concat("", ["use one of: ", list(input.agreement.kinds)]),
}

message["mode"] := {
	"text": "the dataset is protected in another mode than the agreement's",
	"hint": concat("", ["the agreement's mode is ", input.agreement.mode, "; ask the custodian to amend it"]),
}

message["aggregates"] := {
	"text": "the query has no aggregate, or one this gateway does not release",
	"hint": concat("", ["use one of: ", list(names(data.jali.aggregates))]),
}

message["cells"] := {
	"text": "the answer would have too many cells",
	"hint": concat("", [
		"group by fewer columns or by coarser bands; the most is ",
		format_int(data.jali.limits.max_cells, 10),
		" cells",
	]),
}

message["groups"] := {
	"text": "the encrypted question reports more groups than the agreement allows",
	"hint": concat("", [
		"group by a coarser band or narrow the groups in the condition; the most is ",
		format_int(min({input.agreement.encrypted.max_groups, data.jali.encrypted.max_groups}), 10),
		" groups",
	]),
}

message["opening"] := {
	"text": "an encrypted question must be opened to an auditor, and the agreement names none",
	"hint": "ask the custodian to add an auditor to the agreement",
}

message["size"] := {
	"text": "the agreement asks for a declared size of the selection that the question does not declare",
	"hint": concat("", [
		size_hint[input.agreement.encrypted.size],
		" (the smallest size that the agreement accepts is ",
		format_int(input.agreement.encrypted.min_size, 10),
		")",
	]),
}

size_hint := {
	"any": "declare another size",
	"declared": "declare how many entries are selected: --size, or --min-size and --max-size",
	"exact": "declare exactly how many entries are selected: --size",
	"range": "declare a hidden size: --min-size, or --min-size and --max-size",
}

message["accuracy"] := {
	"text": "the error asked for is smaller than the agreement's accuracy floor",
	"hint": sprintf("ask for an error of %v or more", [input.agreement.min_error]),
}

message["price"] := {
	"text": "the query costs more than the agreement allows for one query",
	"hint": concat("", [
		"ask for a larger error or for fewer outputs; the most is ",
		format_int(input.agreement.max_price_pu, 10),
		" PU a query",
	]),
}

message["rate"] := {
	"text": "you have asked the most queries an hour that the agreement allows",
	"hint": concat("", ["wait; the most is ", format_int(input.agreement.per_hour, 10), " in any hour"]),
}

message["hours"] := {
	"text": "the agreement does not allow queries at this hour",
	"hint": concat("", [
		"ask from ",
		format_int(input.agreement.hours[0], 10),
		":00 until ",
		format_int(input.agreement.hours[1], 10),
		":00 UTC",
	]),
}

message["input"] := {
	"text": "the decision's input is incomplete",
	"hint": "this is a fault of the gateway, not of your query: tell the custodian",
}

# At most 40 names: an agreement may open thousands of columns.
list(names) := concat(", ", names) if count(names) <= 40

list(names) := concat("", [concat(", ", array.slice(names, 0, 40)), ", ..."]) if count(names) > 40

names(known) := sort(object.keys(known))

day(seconds) := time.format([seconds * 1000000000, "UTC", "2006-01-02"])
