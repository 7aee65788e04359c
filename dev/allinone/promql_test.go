package allinone

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"text/template"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// observability is where the rules and the dashboard are.
const observability = "../../deploy/observability"

// query is an expression, and where it stands.
type query struct {
	where, text string
	// shows are labels of the result that something shows.
	shows []string
}

// ruleFile is what there is in a file of rules.
type ruleFile struct {
	Groups []struct {
		Name  string `yaml:"name"`
		Rules []rule `yaml:"rules"`
	} `yaml:"groups"`
}

type rule struct {
	Record      string            `yaml:"record"`
	Alert       string            `yaml:"alert"`
	Expr        string            `yaml:"expr"`
	For         string            `yaml:"for"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

// loadRules reads the rules, and holds alerts against docs/operations.md, which their links
// lead to.
func loadRules(t *testing.T) (queries []query, recorded map[string]string) {
	t.Helper()
	file, err := os.Open(filepath.Join(observability, "rules.yml"))
	require.NoError(t, err)
	defer file.Close()
	decoder := yaml.NewDecoder(file)
	decoder.KnownFields(true)
	var rules ruleFile
	require.NoError(t, decoder.Decode(&rules))
	anchors := anchorsOf(t, "../../docs/operations.md")
	recorded = make(map[string]string)
	alerts := make(map[string]bool)
	for _, group := range rules.Groups {
		for _, r := range group.Rules {
			if r.Record != "" {
				require.Empty(t, r.Alert)
				recorded[r.Record] = r.Expr
				queries = append(queries, query{where: r.Record, text: r.Expr})
				continue
			}
			require.NotEmpty(t, r.Alert)
			require.False(t, alerts[r.Alert], "%s is there twice", r.Alert)
			alerts[r.Alert] = true
			require.Contains(t, []string{"warning", "critical"}, r.Labels["severity"], r.Alert)
			require.NotEmpty(t, r.Annotations["summary"], r.Alert)
			link, anchor, found := strings.Cut(r.Annotations["runbook_url"], "#")
			require.True(t, found && strings.HasSuffix(link, "/docs/operations.md"), r.Alert)
			require.Contains(t, anchors, anchor, "the runbook of %s", r.Alert)
			queries = append(queries, query{where: r.Alert, text: r.Expr, shows: shown(t, r)})
		}
	}
	text, err := os.ReadFile("../../docs/operations.md")
	require.NoError(t, err)
	documented := make(map[string]bool)
	for _, row := range regexp.MustCompile("(?m)^\\| `(Logpipe[A-Za-z]+)` \\|").FindAllStringSubmatch(string(text), -1) {
		documented[row[1]] = true
	}
	require.Equal(t, alerts, documented, "the table of alerts in docs/operations.md")
	return queries, recorded
}

// shown are the labels that the text of an alert has.
func shown(t *testing.T, r rule) []string {
	t.Helper()
	text := r.Annotations["summary"]
	as := func(v any) string { return fmt.Sprint(v) }
	_, err := template.New(r.Alert).Funcs(template.FuncMap{"humanize": as, "humanizeDuration": as, "humanizePercentage": as}).
		Parse("{{ $labels := .Labels }}{{ $value := .Value }}" + text)
	require.NoError(t, err)
	var names []string
	for _, found := range regexp.MustCompile(`\$labels\.(\w+)`).FindAllStringSubmatch(text, -1) {
		names = append(names, found[1])
	}
	return names
}

// anchorsOf are the anchors of the headings of a document, as GitHub makes them.
func anchorsOf(t *testing.T, path string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	var anchors []string
	for _, heading := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(string(text), -1) {
		slug := regexp.MustCompile(`[^a-z0-9 _-]`).ReplaceAllString(strings.ToLower(heading[1]), "")
		anchors = append(anchors, strings.ReplaceAll(slug, " ", "-"))
	}
	return anchors
}

// dashboard is what a test looks at of a dashboard of Grafana.
type dashboard struct {
	Title      string `json:"title"`
	Templating struct {
		List []struct {
			Name, Type, Definition string
		} `json:"list"`
	} `json:"templating"`
	Panels []struct {
		ID         int    `json:"id"`
		Type       string `json:"type"`
		Title      string `json:"title"`
		Datasource *struct {
			UID string `json:"uid"`
		} `json:"datasource"`
		Targets []struct {
			Expr, LegendFormat string
			Datasource         struct {
				UID string `json:"uid"`
			} `json:"datasource"`
		} `json:"targets"`
		GridPos struct{ X, Y, W, H int } `json:"gridPos"`
	} `json:"panels"`
}

// loadDashboard reads the queries of the dashboard.
func loadDashboard(t *testing.T) []query {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(observability, "grafana", "dashboard.json"))
	require.NoError(t, err)
	var d dashboard
	require.NoError(t, json.Unmarshal(text, &d))
	var queries []query
	variables := make(map[string]string)
	for _, v := range d.Templating.List {
		variables[v.Name] = v.Type
		if found := regexp.MustCompile(`^label_values\((\w+), (\w+)\)$`).FindStringSubmatch(v.Definition); found != nil {
			queries = append(queries, query{where: "variable " + v.Name, text: fmt.Sprintf("sum by (%s) (%s)", found[2], found[1])})
		}
	}
	require.Equal(t, map[string]string{"datasource": "datasource", "pipeline": "query"}, variables)
	require.Len(t, queries, 1)
	ids := make(map[int]bool)
	cells := make(map[[2]int]string)
	for _, p := range d.Panels {
		require.False(t, ids[p.ID], p.Title)
		ids[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				require.Empty(t, cells[[2]int{x, y}], "%s lies over another panel", p.Title)
				cells[[2]int{x, y}] = p.Title
			}
		}
		require.LessOrEqual(t, p.GridPos.X+p.GridPos.W, 24, p.Title)
		if p.Type == "row" {
			continue
		}
		require.NotEmpty(t, p.Targets, p.Title)
		require.Equal(t, "${datasource}", p.Datasource.UID, p.Title)
		for _, target := range p.Targets {
			require.Equal(t, "${datasource}", target.Datasource.UID, p.Title)
			require.Contains(t, target.Expr, `pipeline=~"$pipeline"`, p.Title)
			q := query{where: "panel " + p.Title, text: strings.NewReplacer("$__rate_interval", "5m", "$pipeline", ".*").Replace(target.Expr)}
			require.NotContains(t, q.text, "$")
			for _, label := range regexp.MustCompile(`\{\{(\w+)\}\}`).FindAllStringSubmatch(target.LegendFormat, -1) {
				q.shows = append(q.shows, label[1])
			}
			queries = append(queries, q)
		}
	}
	return queries
}

// nameLabel is the label that a selector has for the name.
const nameLabel = "__name__"

// exposed are the series that were scraped, by the names that queries have for them.
type exposed map[string][]labels.Labels

// add adds what was scraped. Prometheus adds job and instance by itself.
func (e exposed) add(families map[string]*dto.MetricFamily) {
	for name, family := range families {
		for _, series := range family.GetMetric() {
			set := map[string]string{"job": "logpipe", "instance": "host:9464"}
			for _, pair := range series.GetLabel() {
				set[pair.GetName()] = pair.GetValue()
			}
			if family.GetType() != dto.MetricType_HISTOGRAM {
				e[name] = append(e[name], labels.FromMap(set))
				continue
			}
			for _, suffix := range []string{"_sum", "_count"} {
				e[name+suffix] = append(e[name+suffix], labels.FromMap(set))
			}
			set["le"] = "+Inf"
			e[name+"_bucket"] = append(e[name+"_bucket"], labels.FromMap(set))
		}
	}
}

// faultsOf are what is wrong with a query: metrics, labels and values that nobody exposes.
// A recorded name stands for its expression.
func (e exposed) faultsOf(q query, recorded map[string]string) []string {
	expression, err := parser.NewParser(parser.Options{}).ParseExpr(q.text)
	if err != nil {
		return []string{err.Error()}
	}
	var faults []string
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	known := e.labelsOf(expression, recorded)
	grouped := false
	parser.Inspect(expression, func(node parser.Node, _ []parser.Node) error {
		var names []string
		switch n := node.(type) {
		case *parser.VectorSelector:
			if _, ok := recorded[n.Name]; !ok && len(e.matching(n)) == 0 {
				fault("no series is %s", n)
			}
		case *parser.AggregateExpr:
			known := e.labelsOf(n.Expr, recorded)
			for _, label := range n.Grouping {
				if !known[label] {
					fault("no series of %s has the label %s", n.Expr, label)
				}
			}
			grouped = true
			names = n.Grouping
		case *parser.BinaryExpr:
			if n.VectorMatching != nil {
				names = n.VectorMatching.MatchingLabels
			}
		}
		for _, label := range names {
			if !known[label] {
				fault("nothing has the label %s", label)
			}
		}
		return nil
	})
	of := known
	if grouped {
		of = make(map[string]bool)
		groupings(expression, recorded, of)
	}
	for _, label := range q.shows {
		if !of[label] {
			fault("the result has no label %s to be shown", label)
		}
	}
	return faults
}

// groupings are the labels that aggregations leave, in the expression and in what is recorded.
func groupings(of parser.Node, recorded map[string]string, into map[string]bool) {
	parser.Inspect(of, func(node parser.Node, _ []parser.Node) error {
		switch n := node.(type) {
		case *parser.AggregateExpr:
			for _, label := range n.Grouping {
				into[label] = true
			}
		case *parser.VectorSelector:
			if text, ok := recorded[n.Name]; ok {
				if expression, err := parser.NewParser(parser.Options{}).ParseExpr(text); err == nil {
					groupings(expression, nil, into)
				}
			}
		}
		return nil
	})
}

// matching are the series that a selector selects.
func (e exposed) matching(selector *parser.VectorSelector) []labels.Labels {
	return slices.DeleteFunc(slices.Clone(e[selector.Name]), func(series labels.Labels) bool {
		for _, m := range selector.LabelMatchers {
			if m.Name != nameLabel && !m.Matches(series.Get(m.Name)) {
				return true
			}
		}
		return false
	})
}

// labelsOf are the labels that the series of an expression have.
func (e exposed) labelsOf(of parser.Node, recorded map[string]string) map[string]bool {
	known := make(map[string]bool)
	parser.Inspect(of, func(node parser.Node, _ []parser.Node) error {
		selector, ok := node.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		if text, ok := recorded[selector.Name]; ok {
			if expression, err := parser.NewParser(parser.Options{}).ParseExpr(text); err == nil {
				groupings(expression, nil, known)
			}
		}
		for _, series := range e[selector.Name] {
			series.Range(func(l labels.Label) { known[l.Name] = true })
		}
		return nil
	})
	return known
}

// TestQueriesThatNameNothing: what holds the rules and the dashboard finds what is wrong.
func TestQueriesThatNameNothing(t *testing.T) {
	t.Parallel()
	e := exposed{"a_total": {labels.FromStrings("kind", "x", "pipeline", "p")}, "b_bucket": {labels.FromStrings("le", "1")}}
	recorded := map[string]string{"r": "sum by (kind) (a_total)"}
	for text, fine := range map[string]bool{
		`sum by (kind) (rate(a_total{kind="x"}[5m]))`: true,
		`histogram_quantile(0.9, rate(b_bucket[5m]))`: true,
		`r{kind="x"} > 0`:                             true,
		`a_total > on (kind) r`:                       true,
		`absent(a_total)`:                             true,
		`sum by (kind) (rate(a_total{kind="y"}[5m]))`: false,
		`rate(a_total{other="x"}[5m])`:                false,
		`sum by (other) (a_total)`:                    false,
		`sum by (kind) (b_bucket)`:                    false,
		`sum by (pipeline) (r)`:                       false,
		`a_total > on (other) r`:                      false,
		`a`:                                           false,
		`sum by (kind (a_total)`:                      false,
	} {
		require.Equal(t, fine, len(e.faultsOf(query{text: text}, recorded)) == 0, "%s: %v", text, e.faultsOf(query{text: text}, recorded))
	}
	require.NotEmpty(t, e.faultsOf(query{text: `sum by (kind) (a_total)`, shows: []string{"pipeline"}}, recorded))
	require.Empty(t, e.faultsOf(query{text: `a_total`, shows: []string{"pipeline"}}, recorded))
}

// TestExampleScrapes: the example for Prometheus is YAML that scrapes something.
func TestExampleScrapes(t *testing.T) {
	t.Parallel()
	file, err := os.Open(filepath.Join(observability, "prometheus.yml"))
	require.NoError(t, err)
	defer file.Close()
	text, err := io.ReadAll(file)
	require.NoError(t, err)
	var example struct {
		RuleFiles []string `yaml:"rule_files"`
		Scrape    []struct {
			Job    string `yaml:"job_name"`
			Static []struct {
				Targets []string `yaml:"targets"`
			} `yaml:"static_configs"`
		} `yaml:"scrape_configs"`
	}
	require.NoError(t, yaml.Unmarshal(text, &example))
	for _, rules := range example.RuleFiles {
		require.FileExists(t, filepath.Join(observability, rules))
	}
	require.Len(t, example.Scrape, 1)
	require.NotEmpty(t, example.Scrape[0].Static[0].Targets)
	require.Equal(t, "logpipe", example.Scrape[0].Job)
}
