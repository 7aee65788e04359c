package bench

// profilesTag is a build tag of the production binary, which without it cannot profile.
const profilesTag = "cpuprofile"

func (o Options) buildTags() []string {
	if o.Profiles == "" {
		return nil
	}
	return []string{profilesTag}
}
