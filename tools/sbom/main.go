// Command sbom prints a bill of materials of Go programs: CycloneDX 1.6, JSON. What is in a program it reads from the program itself (debug/buildinfo), not from a list
// that could differ from it. The same programs give the same bytes.
package main

import (
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

type component struct {
	Type       string     `json:"type"`
	Ref        string     `json:"bom-ref"`
	Name       string     `json:"name"`
	Version    string     `json:"version"`
	PURL       string     `json:"purl,omitempty"`
	Hashes     []hash     `json:"hashes,omitempty"`
	Properties []property `json:"properties,omitempty"`
}

type hash struct {
	Alg     string `json:"alg"`
	Content string `json:"content"`
}

type property struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type dependency struct {
	Ref       string   `json:"ref"`
	DependsOn []string `json:"dependsOn,omitempty"`
}

func main() {
	version := flag.String("version", "devel", "of the programs")
	flag.Parse()
	log.SetFlags(0)
	log.SetPrefix("sbom: ")
	if flag.NArg() == 0 {
		log.Fatal("usage: sbom [-version V] PROGRAM...")
	}
	bom, err := describe(*version, flag.Args())
	if err != nil {
		log.Fatal(err)
	}
	out := json.NewEncoder(os.Stdout)
	out.SetIndent("", " ")
	if err := out.Encode(bom); err != nil {
		log.Fatal(err)
	}
}

func describe(version string, programs []string) (any, error) {
	modules := map[string]component{}
	var components []component
	var dependencies []dependency
	for _, program := range programs {
		info, err := buildinfo.ReadFile(program)
		if err != nil {
			return nil, fmt.Errorf("read program: %w", err)
		}
		text, err := os.ReadFile(program)
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(text)
		c := component{
			Type: "application", Ref: filepath.Base(program), Name: filepath.Base(program), Version: version,
			Hashes: []hash{{"SHA-256", hex.EncodeToString(sum[:])}},
		}
		d := dependency{Ref: c.Ref}
		use := func(path, version, goSum string) {
			m := component{Type: "library", Name: path, Version: version, PURL: "pkg:golang/" + path + "@" + version}
			m.Ref = m.PURL
			if goSum != "" {
				m.Properties = []property{{"go:sum", goSum}}
			}
			modules[m.Ref] = m
			d.DependsOn = append(d.DependsOn, m.Ref)
		}
		use("std", strings.TrimPrefix(info.GoVersion, "go"), "")
		for _, m := range info.Deps {
			if m.Replace != nil {
				m = m.Replace
			}
			use(m.Path, m.Version, m.Sum)
		}
		slices.Sort(d.DependsOn)
		components, dependencies = append(components, c), append(dependencies, d)
	}
	refs := make([]string, 0, len(modules))
	for ref := range modules {
		refs = append(refs, ref)
	}
	slices.Sort(refs)
	for _, ref := range refs {
		components = append(components, modules[ref])
	}
	return map[string]any{
		"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1,
		"metadata":   map[string]any{"component": map[string]string{"type": "application", "bom-ref": "jali-package", "name": "jali", "version": version}},
		"components": components, "dependencies": dependencies,
	}, nil
}
