/** The places of the sidebar, of the palette and of the keys `G` and a letter. */
export const PLACES = [
  { name: 'overview', title: 'insights.overview', icon: 'i-lucide-layout-dashboard', key: 'o' },
  { name: 'projects', title: 'projects.title', icon: 'i-lucide-folder-kanban', key: 'p' },
  { name: 'runs', title: 'runs.title', icon: 'i-lucide-play', key: 'r' },
  { name: 'agents', title: 'profiles.agents', icon: 'i-lucide-bot', key: 'a' },
  { name: 'cost', title: 'usage.cost', icon: 'i-lucide-coins', key: 'c' },
  { name: 'activity', title: 'ledger.activity', icon: 'i-lucide-scroll-text', key: 'l' },
  { name: 'connect', title: 'identity.connect', icon: 'i-lucide-plug', key: 'n' },
  { name: 'operations', title: 'operations.title', icon: 'i-lucide-server-cog', key: 'b' },
  { name: 'settings', title: 'identity.settings', icon: 'i-lucide-settings', key: 's' },
] as const
