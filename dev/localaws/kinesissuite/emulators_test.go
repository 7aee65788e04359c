package kinesissuite_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/log-event-pipeline/logpipe/dev/localaws/kinesissuite"
)

// The suite has to hold against Kinesis emulators that others wrote, or it would only say what our own does. They need
// Node.js and lie beside the repository; where they do not, these tests say so and pass.

// toolsDir is where the emulators are, from this package's directory.
const toolsDir = "../../../../shared/tools"

func TestKinesisLocal(t *testing.T) {
	t.Parallel()
	const notItsNumber = "says that the shard is not there when it does not know the sequence number"
	runEmulator(t, "kinesis-local", kinesissuite.Options{
		Serial: true, Records: 200,
		Skip: map[string]string{
			"positions/page-holds-at-most-10-mib": "takes it most of a minute, at under 1 MB/s",
		},
		Exceptions: map[string]string{
			"reshard/end-of-a-closed-shard-from-every-position": "knows no record for a shard's ending sequence number",
			"list/filter-at-trim-horizon":                       "lists all shards, not those open at the trim horizon",
			"refuse/bad-positions":                              "answers an iterator it cannot read with an error of no name, and takes LATEST with a sequence number",
			"refuse/position-of-another-shard":                  "takes sequence numbers of other shards",
			"refuse/timestamp-in-the-future":                    "takes timestamps to come",
			"refuse/bad-records":                                "takes 501 records and none",
		},
	}, kinesissuite.Options{
		Skip: map[string]string{
			"read/records-of-1-mib":   "takes it half a minute, at under 1 MB/s",
			"read/a-record-of-10-mib": "fails inside, and takes a quarter of a minute for it",
		},
		Exceptions: map[string]string{
			"start/time-to-come":                         "takes timestamps to come",
			"missing/position-of-another-shard":          "takes sequence numbers of other shards",
			"missing/stream-made-again-while-it-is-read": notItsNumber,
			"missing/position-of-a-stream-made-again":    notItsNumber,
		},
	})
}

func TestKinesalite(t *testing.T) {
	t.Parallel()
	const noChildren = "does not tell children at the end of a shard, which came to the API later"
	const noFilter = "ListShards knows no ShardFilter, which came to the API later"
	const noAnswer = "does not answer a request for AT_TIMESTAMP where no record has arrived since"
	runEmulator(t, "kinesalite", kinesissuite.Options{
		Serial: true, Records: 1000,
		Skip: map[string]string{
			"list/token-stands-alone": "a NextToken without a stream ends its process",
		},
		Exceptions: map[string]string{
			"positions/behind-while-records-remain":               "MillisBehindLatest is always 0",
			"positions/page-holds-at-most-10-mib":                 "pages are bounded by records only",
			"positions/by-arn":                                    "knows streams by name only; ARNs came to the API later",
			"reshard/split-parent-drains-to-an-end-with-children": noChildren,
			"reshard/reader-at-the-tip-sees-the-end":              noChildren,
			"reshard/merge-parents-end-with-one-child":            noChildren,
			"reshard/update-shard-count-covers-the-key-space":     "UpdateShardCount is unknown to it",
			"list/pages-hold-each-shard-once":                     "ListShards does not page",
			"list/exclusive-start":                                "ListShards does not page",
			"refuse/bad-reshards":                                 "splits a closed shard again",
			"list/filter-at-latest":                               noFilter,
			"list/filter-at-trim-horizon":                         noFilter,
			"list/filter-after-shard-id":                          noFilter,
			"list/filter-at-timestamp":                            noFilter,
			"list/filter-from-timestamp":                          noFilter,
			"list/filters-page":                                   noFilter,
		},
	}, kinesissuite.Options{
		Skip: map[string]string{
			"start/latest-of-an-empty-shard":               noAnswer,
			"start/latest-and-now-split-before-from-after": noAnswer,
		},
		Exceptions: map[string]string{
			"read/by-arn":                                     "knows streams by name only; ARNs came to the API later",
			"read/a-record-of-10-mib":                         "UpdateMaxRecordSize is unknown to it",
			"lineage/split-ends-with-its-children":            noChildren,
			"lineage/split-at-the-tip-ends-with-its-children": noChildren,
			"lineage/merge-ends-with-its-child":               noChildren,
			"missing/stream-made-again-while-it-is-read":      "an iterator of the old stream reads the new one",
		},
	})
}

// runEmulator runs both suites against one process.
func runEmulator(t *testing.T, name string, api, reader kinesissuite.Options) {
	t.Helper()
	client := startEmulator(t, name)
	target := func(testing.TB) kinesissuite.Target { return kinesissuite.Target{Client: client} }
	t.Run("api", func(t *testing.T) {
		t.Parallel()
		kinesissuite.Run(t, target, api)
	})
	t.Run("reader", func(t *testing.T) {
		t.Parallel()
		kinesissuite.RunReader(t, target, reader)
	})
}

const startTimeout = 60 * time.Second

func startEmulator(t *testing.T, name string) *kinesis.Client {
	t.Helper()
	if testing.Short() {
		t.Skipf("%s is not started with -short: the suite runs against our own emulator only", name)
	}
	script := filepath.Join(toolsDir, name, "run")
	if _, err := os.Stat(script); err != nil {
		t.Skipf("emulator %s is not beside this repository (%s): the suite runs against our own emulator only", name, script)
	}
	if _, err := exec.LookPath("node"); err != nil {
		t.Skipf("Node.js is missing, which emulator %s needs: the suite runs against our own emulator only", name)
	}
	port := freePort(t)
	cmd := exec.CommandContext(t.Context(), script, fmt.Sprint(port))
	cmd.Env = append(os.Environ(), "TMPDIR="+t.TempDir()) // it unpacks itself there
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		_ = cmd.Wait() // it is always killed
	}()
	t.Cleanup(func() {
		<-exited
		if t.Failed() {
			t.Logf("%s wrote:\n%.4000s", name, output.String())
		}
	})
	client := clientFor(fmt.Sprintf("http://127.0.0.1:%d", port))
	deadline, stop := context.WithTimeout(t.Context(), startTimeout)
	defer stop()
	for {
		one, end := context.WithTimeout(deadline, 2*time.Second)
		_, err := client.ListStreams(one, &kinesis.ListStreamsInput{})
		end()
		if err == nil {
			return client
		}
		select {
		case <-exited:
			t.Fatalf("%s ended at once: %s", name, output.String())
		case <-deadline.Done():
			t.Fatalf("%s does not answer: %v", name, err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// freePort finds a port for an emulator, which takes a second one nine above it. It stays below the ports that systems
// give to outgoing connections, any of which could take it before the emulator does.
func freePort(t *testing.T) int {
	t.Helper()
	for range 100 {
		port := 20000 + rand.IntN(10000)
		if canListen(port) && canListen(port+9) {
			return port
		}
	}
	t.Fatal("no free port found for the emulator")
	return 0
}

func canListen(port int) bool {
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return false
	}
	return l.Close() == nil
}
