package engine

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"jali/gateway/catalog"
	"jali/gateway/query"
)

// referenceData lies beside a checkout; see docs/design/README.md. It is not part of the repository.
const referenceData = "../../../shared/data"

// testReference answers every reference question about a real data set from DuckDB and from PostgreSQL: the integers before noise are
// the same. Those with most tables and most rows are for the long test.
func testReference(t *testing.T, a *agency) {
	text, err := os.ReadFile(filepath.Join(referenceData, "reference-open.json"))
	if os.IsNotExist(err) {
		t.Skip("the reference data are not part of the repository; lay them at ../shared/data from its root to run this test")
	}
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Items []struct{ ID, Dataset, SQL string }
	}
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	sets := map[string][]string{
		"nhefs":  {"classic/nhefs.csv.gz"},
		"cms10k": {"demo/cms10k/beneficiary.csv.gz", "demo/cms10k/beneficiary_year.csv.gz", "demo/cms10k/inpatient_claim.csv.gz", "demo/cms10k/inpatient_diagnosis.csv.gz"},
	}
	if os.Getenv("JALI_LONG") != "" {
		sets["omop1k"] = []string{"demo/omop1k/person.csv.gz", "demo/omop1k/drug_era.csv.gz", "demo/omop1k/condition_era.csv.gz", "demo/omop1k/payer_plan_period.csv.gz", "demo/omop1k/observation_period.csv.gz", "demo/omop1k/death.csv.gz", "demo/omop1k/location.csv.gz"}
		sets["cms180k"] = []string{"bench/cms180k/beneficiary.csv.gz", "bench/cms180k/beneficiary_year.csv.gz"}
	}
	for id, paths := range sets {
		t.Run(id, func(t *testing.T) {
			text, err := os.ReadFile("../../examples/" + strings.Replace(id, "cms180k", "cms10k", 1) + "/" + strings.Replace(id, "cms180k", "cms10k", 1) + ".yaml")
			if err != nil {
				t.Fatal(err)
			}
			ds, err := catalog.Parse(id+".yaml", bytes.Replace(text, []byte("\ndataset: cms10k\n"), []byte("\ndataset: "+id+"\n"), 1), nil)
			if err != nil {
				t.Fatal(err)
			}
			cfg := ImportConfig{Catalog: ds, Dir: t.TempDir(), Threads: 2}
			for _, p := range paths {
				cfg.Files = append(cfg.Files, File{Path: filepath.Join(referenceData, p)})
			}
			m, err := Import(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			attached, err := Attach(t.Context(), AttachConfig{ImportConfig: cfg, Owner: a.owner, Reader: a.reader})
			if err != nil {
				t.Fatal(err)
			}
			rows := int64(0)
			for _, h := range attached.Tables {
				rows += h.Rows
			}
			t.Logf("%d rows attached in %.1f s; a scan takes %.0f ns a row, %.0f in DuckDB, the stream %.0f, %.0f in DuckDB", rows, time.Since(start).Seconds(), attached.ScanNS, m.ScanNS, attached.StreamNS, m.StreamNS)
			duck, pg := openVersion(t, ds, cfg.Dir, m), openAttached(t, ds, cfg.Dir, attached)
			start = time.Now()
			if err := pg.store.(*postgres).check(t.Context()); err != nil {
				t.Fatal(err)
			}
			t.Logf("all rows checked in %.2f s", time.Since(start).Seconds())
			asked := 0
			var took [2]time.Duration
			for _, it := range file.Items {
				if it.SQL == "" || it.Dataset != id && !(id == "cms180k" && it.Dataset == "cms10k") {
					continue
				}
				p, err := query.Compile(ds, strings.ReplaceAll(it.SQL, id+"_", "")) // files of the samples are named so
				if err != nil || duck.admit(p) != nil {
					continue // what cannot be asked, cannot be of either
				}
				asked++
				var cells [2]any
				for i, e := range []*Engine{duck, pg} {
					start := time.Now()
					got, err := e.run(t.Context(), p, [32]byte{byte(asked)})
					if err != nil {
						t.Fatalf("%s: %v", it.ID, err)
					}
					took[i] += time.Since(start)
					cells[i] = got
				}
				if diff := cmp.Diff(cells[0], cells[1], compareCells); diff != "" {
					t.Errorf("%s (-DuckDB +PostgreSQL):\n%s", it.ID, diff)
				}
			}
			t.Logf("%d questions, DuckDB %v, PostgreSQL %v", asked, took[0], took[1])
			if asked == 0 {
				t.Error("no question of the reference was asked")
			}
		})
	}
}
