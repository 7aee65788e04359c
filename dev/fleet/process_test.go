package fleet

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// roleVariable makes the test binary one of the processes that the tests start.
const roleVariable = "FLEET_TEST_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(roleVariable) {
	case "obedient": // ends when it is asked to
		asked := make(chan os.Signal, 1)
		signal.Notify(asked, syscall.SIGTERM)
		fmt.Fprintln(os.Stderr, "ready")
		<-asked
	case "stubborn": // does not
		signal.Ignore(syscall.SIGTERM)
		fmt.Fprintln(os.Stderr, "ready")
		<-time.After(time.Hour) // Go would end a process that waits for nothing at all
	case "failing":
		fmt.Fprintln(os.Stderr, "cannot go on")
		os.Exit(3)
	case "parent": // starts a process, says which, and waits to be killed
		p, err := newSpawner().start(os.TempDir(), testCommand("child", "stubborn"))
		if err != nil {
			panic(err)
		}
		fmt.Println(p.PID())
		<-time.After(time.Hour)
	default:
		os.Exit(m.Run())
	}
}

func testCommand(name, role string) command {
	return command{name: name, args: []string{os.Args[0]}, env: map[string]string{
		roleVariable: role, "TMPDIR": os.TempDir(), "GOCOVERDIR": os.Getenv("GOCOVERDIR"),
	}}
}

const deadline = 20 * time.Second

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	require.Eventually(t, condition, deadline, 5*time.Millisecond, what)
}

func logSays(p *Process, text string) bool {
	written, err := os.ReadFile(p.Log())
	return err == nil && strings.Contains(string(written), text)
}

// started starts a process and waits until it handles signals.
func started(t *testing.T, role string) *Process {
	t.Helper()
	s := newSpawner()
	p, err := s.start(t.TempDir(), testCommand(role, role))
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, p.Kill())
		<-p.Done()
		s.close()
	})
	eventually(t, "the process is ready", func() bool { return logSays(p, "ready") })
	return p
}

func TestProcessEnds(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		role  string
		end   func(*Process) error
		clean bool
		fault string
	}{
		"asked":           {"obedient", (*Process).Terminate, true, ""},
		"killed":          {"obedient", (*Process).Kill, false, ""},
		"within its time": {"obedient", func(p *Process) error { return p.end(deadline) }, true, ""},
		"suspended":       {"obedient", func(p *Process) error { return errors.Join(p.Suspend(), p.end(deadline)) }, true, ""},
		"too slow":        {"stubborn", func(p *Process) error { return p.end(10 * time.Millisecond) }, false, "did not stop within 10ms and was killed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := started(t, c.role)
			err := c.end(p)
			if c.fault == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, c.fault)
			}
			<-p.Done()
			require.Equal(t, c.clean, p.Clean(), p.Outcome())
			for _, again := range []func() error{p.Kill, p.Terminate, p.Suspend, p.Resume} {
				require.NoError(t, again(), "what has ended cannot be harmed")
			}
		})
	}
}

func TestProgramThatIsNotThere(t *testing.T) {
	t.Parallel()
	s := newSpawner()
	defer s.close()
	_, err := s.start(t.TempDir(), command{name: "starter-1.1", args: []string{filepath.Join(t.TempDir(), "none")}})
	require.ErrorContains(t, err, "start starter-1.1: ")
}

// place is a member whose processes are those of the test.
type place struct {
	*Member
	mu      sync.Mutex
	roles   []string // of the next processes; the last one stays
	reports []string
}

func newPlace(t *testing.T, roles ...string) *place {
	t.Helper()
	s := newSpawner()
	dir := t.TempDir()
	p := &place{roles: roles}
	var all []*Process
	p.Member = newMember("starter", 2, func(name string) (*Process, error) {
		p.mu.Lock()
		defer p.mu.Unlock()
		role := p.roles[0]
		if len(p.roles) > 1 {
			p.roles = p.roles[1:]
		}
		if role == "" {
			return nil, errors.New("no room")
		}
		process, err := s.start(dir, testCommand(name, role))
		if err == nil {
			all = append(all, process)
		}
		return process, err
	}, func(text string) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.reports = append(p.reports, text)
	})
	t.Cleanup(func() {
		p.retire()
		for _, process := range all {
			require.NoError(t, process.Kill())
			<-process.Done()
		}
		s.close()
	})
	return p
}

func (p *place) said() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.reports, "\n")
}

func (p *place) heldBy(name string) bool {
	process := p.Process()
	return process != nil && process.Name() == name
}

func TestMemberIsReplacedWhenItEndsByItself(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "failing", "obedient")
	require.NoError(t, p.Start())
	eventually(t, "another takes the place", func() bool { return p.heldBy("starter-2.2") })
	require.Contains(t, p.said(), "starter-2.1 ended by itself (exit status 3)")
	require.Contains(t, p.said(), "cannot go on", "the end of the log is shown")
}

func TestMemberThatIsReleasedIsReplacedOnRequestOnly(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "obedient")
	require.Nil(t, p.Process())
	require.Nil(t, p.Release())
	require.NoError(t, p.Start())
	require.NoError(t, p.Start(), "a place that is taken stays as it is")
	first := p.Release()
	require.Equal(t, "starter-2.1", first.Name())
	require.NoError(t, first.Kill())
	<-first.Done()
	require.Nil(t, p.Process())
	p.Replace(0)
	eventually(t, "another takes the place", func() bool { return p.heldBy("starter-2.2") })
	require.Empty(t, p.said())
	require.Equal(t, "starter 2", p.String())
}

func TestMemberTriesUntilItStarts(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "", "obedient")
	p.Replace(0)
	eventually(t, "it starts", func() bool { return p.heldBy("starter-2.2") })
	require.Equal(t, "starter 2 does not start: no room", p.said())
}

func TestRetiredMemberStaysEmpty(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "obedient")
	p.Replace(time.Hour)
	p.retire() // does not wait for the hour
	require.NoError(t, p.Start())
	require.Nil(t, p.Process())
}

func TestAnnouncement(t *testing.T) {
	t.Parallel()
	a := newAnnouncement(temporalAnnounced)
	for _, part := range []string{"Tempo", "ral  127.0.0.1:7233\nWeb", " UI    http://127.0.0.1:8233", "\n", "Temporal  more\n"} {
		n, err := io.WriteString(a, part)
		require.NoError(t, err)
		require.Equal(t, len(part), n)
	}
	<-a.made
	require.Equal(t, []string{"127.0.0.1:7233", "127.0.0.1:8233"}, a.found)
}

func TestAgentProcess(t *testing.T) {
	t.Parallel()
	const agent = "aws-sdk-go-v2/1.47.7 ua/2.1 os/linux lang/go#1.26.8 md/GOOS#linux app/starter-1.3 api/kinesis#1.56.11 m/E"
	require.Equal(t, "starter-1.3", AgentProcess(agent))
	require.Empty(t, AgentProcess("aws-sdk-go-v2/1.47.7 os/linux"))
}
