package config

import "strings"

// Role says which processes the settings are for. Roles combine with |, for a
// program that runs both processes in one.
type Role uint8

const (
	// RoleStarter reads the stream and starts windows.
	RoleStarter Role = 1 << iota
	// RoleWorker formats and delivers windows.
	RoleWorker

	// RoleNone is for commands that only talk to Temporal. Nothing is required;
	// what is set must still be right.
	RoleNone Role = 0
)

// String names the roles, as in "starter and worker".
func (r Role) String() string {
	var names []string
	if r&RoleStarter != 0 {
		names = append(names, "starter")
	}
	if r&RoleWorker != 0 {
		names = append(names, "worker")
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, " and ")
}
