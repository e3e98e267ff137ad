package sdktest

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/goccy/go-yaml"
)

// Config says what the gateway holds. The zero Config is the made-up social-insurance scheme with 2,000 persons.
type Config struct {
	// Persons in the generated scheme (docs/generator.md). Zero: 2,000. Ignored with Datasets.
	Persons int
	// Seed of the generator; the same seed gives the same rows. Zero: 1.
	Seed uint64
	// Datasets replace the generated scheme by data of the test's own.
	Datasets []Dataset
	// Agreements are YAML texts (docs/agreements.md). None: the generated scheme's own. Required with Datasets. The first is the
	// one questions run under unless they name another.
	Agreements []string
	// AgreementPU replaces the budget of every agreement, in PU; zero leaves it.
	AgreementPU int64
	// PopulationPU caps every population, in PU. Zero: 1,000,000.
	PopulationPU int64
	// PopulationDelta caps every population's delta, for private group keys. Empty: 1e-6.
	PopulationDelta string
	// Output, if set, gets everything that the gateway and its commands write to both streams, one Write at a time.
	Output io.Writer
	// Environment of the gateway, besides the test's own, as "NAME=value".
	Environment []string
	// ServerConfig replaces text in config.yaml before the gateway serves. Each key must occur there.
	ServerConfig map[string]string
}

// Dataset is a catalogue with the files to import.
type Dataset struct {
	Catalog string   // path of the YAML file
	Codes   []string // paths of the code lists it names, in its directory or below
	Files   []string // CSV, CSV.gz or Parquet, named after their tables
}

// agreement is what the harness needs to know of an agreement.
type agreement struct {
	ID       string   `yaml:"id"`
	Parties  []string `yaml:"parties"`
	Users    []string `yaml:"users"`
	Purposes []string `yaml:"purposes"`
	Datasets []struct {
		ID string `yaml:"id"`
	} `yaml:"datasets"`
}

// described is what the harness needs to know of a catalogue.
type described struct {
	ID         string `yaml:"dataset"`
	Population string `yaml:"population"`
}

func readAgreement(text string) (agreement, error) {
	var a agreement
	if err := yaml.Unmarshal([]byte(text), &a); err != nil {
		return a, fmt.Errorf("read agreement: %w", err)
	}
	if a.ID == "" || len(a.Parties) == 0 || len(a.Purposes) == 0 || len(a.Datasets) == 0 {
		return a, fmt.Errorf("read agreement: id, parties, purposes or datasets is missing")
	}
	return a, nil
}

func readCatalog(path string) (described, error) {
	var d described
	text, err := os.ReadFile(path)
	if err != nil {
		return d, fmt.Errorf("read catalogue: %w", err)
	}
	if err := yaml.Unmarshal(text, &d); err != nil {
		return d, fmt.Errorf("read catalogue: %w", err)
	}
	if d.ID == "" || d.Population == "" {
		return d, fmt.Errorf("read catalogue %s: dataset or population is missing", filepath.Base(path))
	}
	return d, nil
}

// withBudget sets the PU of every budget line of an agreement.
func withBudget(text string, pu int64) (string, error) {
	if pu == 0 {
		return text, nil
	}
	var doc yaml.MapSlice
	if err := yaml.UnmarshalWithOptions([]byte(text), &doc, yaml.UseOrderedMap()); err != nil {
		return "", fmt.Errorf("set agreement budget: %w", err)
	}
	set := false
	for _, item := range doc {
		lines, ok := item.Value.([]any)
		if item.Key != "budget" || !ok {
			continue
		}
		for _, line := range lines {
			fields, ok := line.(yaml.MapSlice)
			if !ok {
				continue
			}
			for i := range fields {
				if fields[i].Key == "pu" {
					fields[i].Value, set = pu, true
				}
			}
		}
	}
	if !set {
		return "", fmt.Errorf("set agreement budget: it has no line budget: - pu")
	}
	out, err := yaml.Marshal(doc)
	if err != nil {
		return "", fmt.Errorf("set agreement budget: %w", err)
	}
	return string(out), nil
}
