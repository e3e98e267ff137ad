package rpc

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/prometheus/client_golang/prometheus"
)

// The dashboard and the alerts ask for metrics and labels that there are, and all of ours are on the dashboard.
func TestDashboard(t *testing.T) {
	m := newMetrics(nil, callers{}, nil)
	described := make(chan *prometheus.Desc, 1000)
	m.registry.Describe(described)
	close(described)
	name, labels := regexp.MustCompile(`fqName: "([^"]+)"`), regexp.MustCompile(`variableLabels: \{([^}]*)\}`)
	known := map[string]string{}
	for d := range described {
		known[name.FindStringSubmatch(d.String())[1]] = labels.FindStringSubmatch(d.String())[1]
	}
	if len(known["jali_calls_total"]) == 0 {
		t.Fatalf("descriptions are not read as expected: %v", known)
	}
	dashboard, err := os.ReadFile("../../deploy/grafana/jali.json")
	if err != nil {
		t.Fatal(err)
	}
	var parsed struct {
		Panels []struct {
			ID      int
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(dashboard, &parsed); err != nil || len(parsed.Panels) == 0 {
		t.Fatalf("dashboard: %v, %d panels", err, len(parsed.Panels))
	}
	var expressions []string
	for _, p := range parsed.Panels {
		for _, target := range p.Targets {
			expressions = append(expressions, target.Expr)
		}
	}
	rules, err := os.ReadFile("../../deploy/prometheus/jali.rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var alerts struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert, Expr, For    string
				Labels, Annotations map[string]string
			}
		}
	}
	if err := yaml.UnmarshalWithOptions(rules, &alerts, yaml.Strict()); err != nil || len(alerts.Groups) == 0 {
		t.Fatalf("rules: %v", err)
	}
	drawn := strings.Join(expressions, "\n")
	for _, r := range alerts.Groups[0].Rules {
		expressions = append(expressions, r.Expr)
	}
	asked := regexp.MustCompile(`\b(jali|go|process)_[a-z_]+`)
	by := regexp.MustCompile(`by \(([a-z, ]+)\)`)
	for _, e := range expressions {
		names := asked.FindAllString(e, -1)
		if len(names) == 0 {
			t.Errorf("%q asks for nothing of ours", e)
		}
		for _, n := range names {
			if strings.HasPrefix(n, "jali_pg_") { // another front's: its own test asks
				continue
			}
			n = strings.TrimSuffix(n, "_bucket")
			if _, ok := known[n]; !ok {
				t.Errorf("%q asks for %s, which there is not", e, n)
			}
			for _, group := range by.FindAllStringSubmatch(e, -1) {
				for label := range strings.SplitSeq(group[1], ", ") {
					if label != "le" && label != "instance" && !strings.Contains(known[n], label) {
						t.Errorf("%q groups by %s, which %s has not", e, label, n)
					}
				}
			}
		}
	}
	for n := range known {
		if strings.HasPrefix(n, "jali_") && !strings.Contains(drawn, n) {
			t.Errorf("%s is on no panel", n)
		}
	}
}
