package synth

// Names that the generated files carry.
const (
	Dataset     = "scheme"
	Population  = "scheme-insured"
	AgreementID = "agr-scheme-demo"
)

// DemoSQL counts, by age and sex, the insured who were dispensed a blood-glucose-lowering drug and admitted to a hospital, with
// their region's part of the country looked up in a public table.
const DemoSQL = `SELECT p.sex, r.part, COUNT(*) AS persons
FROM person p JOIN regions r ON r.region = p.region
WHERE p.person_id IN (SELECT person_id FROM drug_claim WHERE therapy = 'A10')
  AND p.person_id NOT IN (SELECT person_id FROM death)
GROUP BY p.sex, r.part ORDER BY persons DESC`

// Agreement opens the generated scheme to an example organisation; docs/agreements.md is the format.
func Agreement() []byte {
	return []byte(`# An agreement for the generated insurance scheme. Names, purposes and figures are examples: change them before use.
id: ` + AgreementID + `
version: 1
title: Treatment of diabetes in the generated scheme
state: active
parties: [Example Pharma]
purposes: ["DUO:0000006", "DUO:0000042"]
datasets:
  - id: ` + Dataset + `
    columns: [person.*, enrolment.*, pension.*, medical_claim.*, drug_claim.*, death.*, regions.*]
    sensitivity: [low, normal, high]
kinds: [aggregate, encrypted]
mode: dp
# The whole budget: epsilon = 3 at delta = 1e-7.
budget:
  - population: ` + Population + `
    pu: 15727
    delta: 1e-7
min_error: 5
max_price_pu: 15727
per_hour: 1000
valid_from: "2026-01-01"
valid_until: "2035-12-31"
`)
}
