package fleet

import (
	"fmt"
	"sync"
	"time"
)

// restartPause is how long a process that ended by itself stays away, as a scheduler of
// containers lets it.
const restartPause = time.Second

// Member is a place in the fleet, such as "starter 2", and whichever process holds it.
// A process that ends without having been told to is reported and replaced.
type Member struct {
	role   string
	number int
	launch func(name string) (*Process, error)
	report func(string)

	mu         sync.Mutex
	current    *Process
	generation int
	closed     chan struct{}
	close      func()
	keeping    sync.WaitGroup
}

func newMember(role string, number int, launch func(string) (*Process, error), report func(string)) *Member {
	m := &Member{role: role, number: number, launch: launch, report: report, closed: make(chan struct{})}
	m.close = sync.OnceFunc(func() { close(m.closed) })
	return m
}

func (m *Member) String() string {
	if m.number == 0 {
		return m.role
	}
	return fmt.Sprintf("%s %d", m.role, m.number)
}

// Start puts a process into the place.
func (m *Member) Start() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	select {
	case <-m.closed:
		return nil
	default:
	}
	if m.current != nil {
		return nil
	}
	m.generation++
	name := fmt.Sprintf("%s-%d.%d", m.role, m.number, m.generation)
	if m.number == 0 {
		name = fmt.Sprintf("%s.%d", m.role, m.generation)
	}
	p, err := m.launch(name)
	if err != nil {
		return err
	}
	m.current = p
	m.keeping.Go(func() { m.keep(p) })
	return nil
}

// keep replaces the process if it ends while it holds the place.
func (m *Member) keep(p *Process) {
	select {
	case <-p.done:
	case <-m.closed:
		return
	}
	m.mu.Lock()
	held := m.current == p
	if held {
		m.current = nil
	}
	m.mu.Unlock()
	if held {
		m.report(fmt.Sprintf("%s ended by itself (%s): %s", p.name, p.Outcome(), p.lastLine()))
		m.replace(restartPause)
	}
}

// Process is the process that holds the place, nil while nobody does.
func (m *Member) Process() *Process {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.current
}

// Release empties the place and returns the process that held it, nil where none did.
// How that one ends is up to the caller; it is not replaced by itself.
func (m *Member) Release() *Process {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.current
	m.current = nil
	return p
}

// Replace puts a process into the empty place after a pause, and tries until that
// works. It returns at once.
func (m *Member) Replace(after time.Duration) {
	m.keeping.Go(func() { m.replace(after) })
}

func (m *Member) replace(after time.Duration) {
	for {
		timer := time.NewTimer(after)
		select {
		case <-timer.C:
		case <-m.closed:
			timer.Stop()
			return
		}
		err := m.Start()
		if err == nil {
			return
		}
		m.report(fmt.Sprintf("%s does not start: %v", m, err))
		after = restartPause
	}
}

// retire ends the place: nobody is replaced any more.
func (m *Member) retire() {
	m.close()
	m.keeping.Wait()
}
