package panics

import (
	"context"
	"fmt"
	"path"
	"reflect"
	"runtime"
	"strings"

	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"
)

// maxFrames is how many calls of the stack are told.
const maxFrames = 32

// Recover has to be deferred. It makes an application error of that type of a panic, which
// is tried again like any other.
func Recover(err *error, kind string) {
	if p := recover(); p != nil {
		*err = temporal.NewApplicationError("panic: "+name(p)+stack(), kind)
	}
}

// name is what may be told of a panic's value: its type, and what the runtime says, which
// has numbers and types in it and no text.
func name(value any) string {
	kind := reflect.TypeOf(value)
	if of, ok := value.(runtime.Error); ok && packageOf(kind) == "runtime" {
		return of.Error()
	}
	return "a value of type " + kind.String()
}

func packageOf(kind reflect.Type) string {
	if kind.Kind() == reflect.Pointer {
		kind = kind.Elem()
	}
	return kind.PkgPath()
}

// stack is the calls that have led to the panic, the last first, without arguments.
func stack() string {
	pcs := make([]uintptr, 2*maxFrames)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(1, pcs)])
	var text strings.Builder
	panicked := false
	for told := 0; told < maxFrames; {
		frame, more := frames.Next()
		switch {
		case frame.Function == "runtime.gopanic":
			// What was called before was called by a deferred function.
			panicked = true
			text.Reset()
			told = 0
		case panicked && !strings.HasPrefix(frame.Function, "runtime."):
			fmt.Fprintf(&text, "\n%s (%s:%d)", frame.Function, path.Base(frame.File), frame.Line)
			told++
		}
		if !more {
			break
		}
	}
	return text.String()
}

// NewInterceptor returns an interceptor that makes errors of that type of panics in
// activities. Without it the Temporal SDK puts their values into histories and logs.
func NewInterceptor(kind string) interceptor.WorkerInterceptor { return &worker{kind: kind} }

type worker struct {
	interceptor.WorkerInterceptorBase

	kind string
}

// InterceptActivity implements interceptor.WorkerInterceptor.
func (w *worker) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	a := &activity{kind: w.kind}
	a.Next = next
	return a
}

type activity struct {
	interceptor.ActivityInboundInterceptorBase

	kind string
}

// ExecuteActivity implements interceptor.ActivityInboundInterceptor.
func (a *activity) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (result any, err error) {
	defer Recover(&err, a.kind)
	return a.Next.ExecuteActivity(ctx, in)
}
