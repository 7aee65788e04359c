package temporal

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	enumspb "go.temporal.io/api/enums/v1"
)

// uiColumnLabels are the columns of the workflow list that the Web UI knows without search attributes.
var uiColumnLabels = []string{
	"Status", "Workflow ID", "Run ID", "Type", "Start", "End", "History Size", "History Length", "Execution Time",
	"Execution Duration", "State Transitions", "Task Queue", "Scheduled By ID", "Scheduled Start Time", "Deployment",
	"Deployment Version", "Versioning Behavior", "Change Version", "Parent Namespace",
}

// columnsScript runs before the Web UI. The Web UI has no setting on the server for the columns of the workflow list: it
// keeps them in the browser, by namespace, under this key. Columns that a person configured are left alone.
const columnsScript = `(() => {
  const key = "namespace-workflow-table-columns";
  try {
    const tables = JSON.parse(localStorage.getItem(key)) ?? {};
    for (const [namespace, columns] of Object.entries(%s)) {
      if (!tables[namespace]?.length) tables[namespace] = columns;
    }
    localStorage.setItem(key, JSON.stringify(tables));
  } catch {}
})();`

const (
	indexFile = "index.html"

	// scriptPolicy is how the page's content security policy begins. Only scripts whose hash it lists run.
	scriptPolicy = "script-src 'strict-dynamic'"
	headEnd      = "</head>"
)

func checkColumns(columns []string, attributes map[string]enumspb.IndexedValueType) error {
	var errs []error
	for _, column := range columns {
		if _, ok := attributes[column]; !ok && !slices.Contains(uiColumnLabels, column) {
			errs = append(errs, fmt.Errorf("web UI column %q is neither a search attribute nor a column of the Web UI", column))
		}
	}
	return errors.Join(errs...)
}

// indexPage returns the files of the Web UI, with the columns as the browser's default for the namespaces.
func indexPage(namespaces, columns []string) (fs.FS, error) {
	assets, err := uiAssets()
	if err != nil || len(columns) == 0 {
		return assets, err
	}
	index, err := fs.ReadFile(assets, indexFile)
	if err != nil {
		return nil, err
	}
	if index, err = addColumnsScript(index, namespaces, columns); err != nil {
		return nil, fmt.Errorf("%s: %w", indexFile, err)
	}
	return assetsWithIndex{FS: assets, index: index}, nil
}

func addColumnsScript(index []byte, namespaces, columns []string) ([]byte, error) {
	type column struct {
		Label string `json:"label"`
	}
	table := make([]column, len(columns))
	for i, label := range columns {
		table[i] = column{Label: label}
	}
	tables := make(map[string][]column, len(namespaces))
	for _, namespace := range namespaces {
		tables[namespace] = table
	}
	literal, err := json.Marshal(tables) // escapes <, so that no name ends the script
	if err != nil {
		return nil, err
	}
	script := fmt.Sprintf(columnsScript, literal)
	hash := sha256.Sum256([]byte(script))
	policy := scriptPolicy + " 'sha256-" + base64.StdEncoding.EncodeToString(hash[:]) + "'"

	for marker, replacement := range map[string]string{
		scriptPolicy: policy,
		headEnd:      "<script>" + script + "</script>" + headEnd,
	} {
		if bytes.Count(index, []byte(marker)) != 1 {
			return nil, fmt.Errorf("expected one %q: this version of the Web UI needs another way to set columns", marker)
		}
		index = bytes.Replace(index, []byte(marker), []byte(replacement), 1)
	}
	return index, nil
}

// assetsWithIndex replaces the index page of the Web UI.
type assetsWithIndex struct {
	fs.FS
	index []byte
}

var _ fs.ReadFileFS = assetsWithIndex{}

func (a assetsWithIndex) ReadFile(name string) ([]byte, error) {
	if name == indexFile {
		return bytes.Clone(a.index), nil
	}
	return fs.ReadFile(a.FS, name)
}
