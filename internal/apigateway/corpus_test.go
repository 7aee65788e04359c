package apigateway

import (
	"bytes"
	"encoding/json"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// corpus holds log data from public repositories. It is not part of this
// repository.
const corpus = "../../../shared/corpus"

// Every log event of every sample is accounted for, by a count that owes
// nothing to the code under test.
func TestCorpus(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat(corpus); err != nil {
		t.Skip("the corpus is not here")
	}
	files, events := 0, 0
	err := filepath.WalkDir(corpus, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) == ".md" {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files++
		k, summary := format(t, Options{Region: "eu-west-2"}, record(data))
		if filepath.Ext(path) == ".log" {
			// Text as the test tool prints it, in no envelope.
			if summary.Reasons["unknown_encoding"] != 1 || !bytes.Equal(k.quarantined[0].Data, data) {
				t.Errorf("%s: %+v", path, summary)
			}
			return nil
		}
		want := corpusEvents(t, path, data)
		if got := summary.LogEvents() + summary.QuarantinedEvents + summary.ControlMessages; got != want {
			t.Errorf("%s: %d of %d log events, %+v", path, got, want, summary)
		}
		for _, event := range k.events {
			checkEvent(t, event)
		}
		events += want
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files == 0 || events == 0 {
		t.Errorf("%d files with %d events", files, events)
	}
	t.Logf("%d files with %d log events", files, events)
}

func corpusEvents(t *testing.T, path string, data []byte) int {
	t.Helper()
	n := 0
	for dec := json.NewDecoder(bytes.NewReader(data)); ; {
		var envelope struct{ LogEvents []json.RawMessage }
		if err := dec.Decode(&envelope); err == io.EOF {
			return n
		} else if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		n += len(envelope.LogEvents)
	}
}
