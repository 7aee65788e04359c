package temporal

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"log/slog"
	"maps"
	"regexp"
	"strings"
	"testing"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/server/common/log/tag"
	"go.temporal.io/server/common/primitives"
)

func TestEveryInlineScriptOfTheIndexPageIsInItsPolicy(t *testing.T) {
	t.Parallel()
	page, err := indexPage([]string{"default", "</script>"}, []string{"Status", "Shard"})
	if err != nil {
		t.Fatal(err)
	}
	index, err := page.(assetsWithIndex).ReadFile(indexFile)
	if err != nil {
		t.Fatal(err)
	}
	scripts := regexp.MustCompile(`(?s)<script>(.*?)</script>`).FindAllSubmatch(index, -1)
	if len(scripts) != 2 {
		t.Fatalf("%d scripts, want the Web UI's and ours", len(scripts))
	}
	for _, script := range scripts {
		hash := sha256.Sum256(script[1])
		if want := "'sha256-" + base64.StdEncoding.EncodeToString(hash[:]) + "'"; !bytes.Contains(index, []byte(want)) {
			t.Errorf("the policy lacks %s for %s", want, script[1])
		}
	}
}

func TestIndexPageOfAnotherWebUIIsRefused(t *testing.T) {
	t.Parallel()
	for name, index := range map[string]string{
		"no policy":  "<head></head>",
		"two heads":  scriptPolicy + "</head></head>",
		"empty page": "",
	} {
		if _, err := addColumnsScript([]byte(index), []string{"default"}, []string{"Status"}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestAssignColumns(t *testing.T) {
	t.Parallel()
	have := map[string]string{"Keyword02": "Gone", "Int01": "Events"}
	got, err := assignColumns(have, map[string]enumspb.IndexedValueType{
		"Events": enumspb.INDEXED_VALUE_TYPE_INT,
		"Shard":  enumspb.INDEXED_VALUE_TYPE_KEYWORD,
		"Stream": enumspb.INDEXED_VALUE_TYPE_KEYWORD,
	})
	want := map[string]string{"Int01": "Events", "Keyword01": "Shard", "Keyword02": "Gone", "Keyword03": "Stream"}
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	if _, err := assignColumns(have, map[string]enumspb.IndexedValueType{"Events": enumspb.INDEXED_VALUE_TYPE_TEXT}); err == nil {
		t.Error("a search attribute changed its type")
	}
	full := map[string]string{"Int01": "A", "Int02": "B", "Int03": "C"}
	if _, err := assignColumns(full, map[string]enumspb.IndexedValueType{"D": enumspb.INDEXED_VALUE_TYPE_INT}); err == nil {
		t.Error("a fourth Int found a column")
	}
}

func TestFatalLinesBecomeErrors(t *testing.T) {
	t.Parallel()
	var logs bytes.Buffer
	logger := newServerLogger(slog.New(slog.NewTextHandler(&logs, nil)), slog.LevelWarn)
	fail := func() error {
		logger.With(tag.String("service", "frontend")).Fatal("Failed to listen", tag.Error(errors.New("no such port")))
		return nil
	}
	const want = "failed to listen, error: no such port"
	if err := logger.fatals.build(fail); err == nil || err.Error() != want {
		t.Errorf("build: got %v, want %s", err, want)
	}

	logger = newServerLogger(slog.New(slog.NewTextHandler(&logs, nil)), slog.LevelWarn)
	if err := logger.fatals.build(func() error { return nil }); err != nil {
		t.Error(err)
	}
	inHook := func() error {
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_ = fail()
			t.Error("the goroutine went on after a fatal line")
		}()
		<-ended
		return errors.New("hook exited")
	}
	if err := logger.fatals.start(inHook); err == nil || err.Error() != want {
		t.Errorf("start: got %v, want %s", err, want)
	}
	if logs.Len() > 0 {
		t.Errorf("errors that are returned were also logged: %s", &logs)
	}
	_ = inHook()
	if !strings.Contains(logs.String(), "service=frontend") {
		t.Errorf("a fatal line of a running server was not logged: %q", &logs)
	}
}

// TestListensForOthersAndReachesItself: an address that stands for all of the machine's can be listened on, but the
// services have to find each other, and the Web UI the frontend, by one that can be called.
func TestListensForOthersAndReachesItself(t *testing.T) {
	t.Parallel()
	options, err := Options{Remote: true, Listen: "0.0.0.0:7233", UIListen: "[::]:8233"}.resolve()
	if err != nil {
		t.Fatal(err)
	}
	if options.Listen != "0.0.0.0:7233" || options.UIListen != "[::]:8233" {
		t.Errorf("listens on %s and %s", options.Listen, options.UIListen)
	}
	cfg, hosts, err := serverConfig(options.Listen, &storage{})
	if err != nil {
		t.Fatal(err)
	}
	const contact = "127.0.0.1:7233"
	frontend := cfg.Services[string(primitives.FrontendService)].RPC
	for what, got := range map[string]string{
		"clients":  cfg.PublicClient.HostPort,
		"cluster":  cfg.ClusterMetadata.ClusterInformation[clusterName].RPCAddress,
		"services": hosts[primitives.FrontendService].Self,
		"IPv6":     reachable("[::]:7233"),
	} {
		if got != contact {
			t.Errorf("%s reach the frontend at %s, want %s", what, got, contact)
		}
	}
	if frontend.BindOnIP != "0.0.0.0" || frontend.GRPCPort != 7233 {
		t.Errorf("the frontend listens on %s:%d", frontend.BindOnIP, frontend.GRPCPort)
	}
	if got := reachable("192.0.2.1:7233"); got != "192.0.2.1:7233" {
		t.Errorf("an address that can be called became %s", got)
	}
}
