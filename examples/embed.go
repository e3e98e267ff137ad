// Package examples holds the catalogue, the agreement and the rows of NHEFS, the real data set that the demo answers from.
// The folders beside it hold catalogues and agreements of further public data sets, without rows. Provenance and licence are in
// each folder's README.md.
package examples

import _ "embed"

// NHEFS is the table of 1,629 persons: nhefs.csv.gz as `jali-gateway import --dataset nhefs` reads it.
//
//go:embed nhefs/nhefs.csv.gz
var NHEFS []byte

// NHEFSCatalog describes it; docs/catalog.md is the format.
//
//go:embed nhefs/nhefs.yaml
var NHEFSCatalog []byte

// NHEFSAgreement opens it to Org for Purpose; docs/agreements.md is the format.
//
//go:embed nhefs/agreement.yaml
var NHEFSAgreement []byte

// What the embedded files say, for callers that name it.
const (
	NHEFSID          = "nhefs"
	NHEFSAgreementID = "agr-nhefs-demo"
	NHEFSPopulation  = "nhefs"
	Org              = "Example Pharma" // a party of every agreement here
	Purpose          = "DUO:0000006"    // health, medical or biomedical research: a purpose of every agreement here
)
