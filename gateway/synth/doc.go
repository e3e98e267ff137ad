// Package synth generates the records of a national social-insurance scheme that does not exist: persons, enrolment, pensions,
// medical claims, drug claims and deaths, from ten thousand to a hundred million rows.
//
// The same seed gives the same bytes on every machine, whatever the number of workers, and N persons are the first N of 10 N:
// every value is derived by hashing what it is for (seed, person, table, row, column), in integer arithmetic only. A golden
// digest in the tests holds this.
//
// Marginals come from public synthetic files where there are any, and are assumptions elsewhere: docs/generator.md lists both.
// Nothing generated is evidence about people. Diagnoses carry ICD-10 three-character categories and drugs ATC-like codes, with
// short names of our own; the lists are small and are not classifications.
package synth
