package gateway

import (
	"path/filepath"

	"jali/audit/store"
)

// Layout names the files of a state directory. Everything in it is the custodian's; keys are mode 0600.
type Layout string

func (d Layout) Audit() string      { return filepath.Join(string(d), "audit.db") }
func (d Layout) DetailKeys() string { return filepath.Join(string(d), "keys.db") }
func (d Layout) Catalogs() string   { return filepath.Join(string(d), "catalog") }
func (d Layout) Catalog(id string) string {
	return filepath.Join(string(d), "catalog", id+".yaml")
}
func (d Layout) Data(dataset string) string { return filepath.Join(string(d), "data", dataset) }
func (d Layout) Version(dataset, version string) string {
	return filepath.Join(string(d), "data", dataset, version+".duckdb")
}

// Studies are the sealed lists of study populations, each named by its SHA-256. What opens one is a detail of the audit log.
func (d Layout) Studies() string          { return filepath.Join(string(d), "studies") }
func (d Layout) Study(name string) string { return filepath.Join(d.Studies(), name) }

// Memory is what organisations have been told about a population in mode sdc.
func (d Layout) Memory(population string) string {
	return filepath.Join(string(d), "sdc", population+".told")
}
func (d Layout) Scratch() string         { return filepath.Join(string(d), "tmp") }
func (d Layout) Keys() string            { return filepath.Join(string(d), "keys") }
func (d Layout) DetailFileKey() string   { return filepath.Join(string(d), "keys", "details.key") }
func (d Layout) VKeys() string           { return d.Log().VKeysFile() }
func (d Layout) LogKey() string          { return filepath.Join(string(d), "keys", "log.key") }
func (d Layout) PolicyKey() string       { return filepath.Join(string(d), "keys", "policy.key") }
func (d Layout) PolicyVerifyKey() string { return filepath.Join(string(d), "keys", "policy.pub") }
func (d Layout) CA() string              { return filepath.Join(string(d), "keys", "ca") }
func (d Layout) ServerCert() string      { return filepath.Join(string(d), "keys", "server.pem") }
func (d Layout) ServerKey() string       { return filepath.Join(string(d), "keys", "server.key") }
func (d Layout) Bundle(digest string) string {
	return filepath.Join(string(d), "policy", digest+".tar.gz")
}

// SealPolicy and L2Policy are the quorum files (audit.ParseQuorum); Evidence is where contradictions of witnesses are kept.
func (d Layout) SealPolicy() string { return filepath.Join(string(d), "seal.policy") }
func (d Layout) L2Policy() string   { return filepath.Join(string(d), "l2.policy") }
func (d Layout) Evidence() string   { return filepath.Join(string(d), "evidence") }

// Openings has keys and uploads of encrypted questions that an auditor can open.
func (d Layout) Openings() string { return filepath.Join(string(d), "openings") }

func (d Layout) Socket() string   { return filepath.Join(string(d), "admin.sock") }
func (d Layout) Config() string   { return filepath.Join(string(d), "config.yaml") }
func (d Layout) Endpoint() string { return filepath.Join(string(d), "endpoint") }

func (d Layout) CACert() string { return filepath.Join(d.CA(), "ca.pem") }
func (d Layout) CAKey() string  { return filepath.Join(d.CA(), "ca.key") }

// Log says where the audit log and its keys lie; a clock and a logger are the opener's to add.
func (d Layout) Log() store.Config {
	return store.Config{Path: d.Audit(), Keys: d.DetailKeys(), FileKey: d.DetailFileKey(), Signer: d.LogKey()}
}
