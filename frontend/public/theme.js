// The theme is known before the first paint: a page that flashes white in the dark is not usable at night.
;(() => {
  const wish = localStorage.getItem('pilotdeck.theme') || 'auto'
  const dark = wish === 'dark' || (wish === 'auto' && matchMedia('(prefers-color-scheme: dark)').matches)
  document.documentElement.classList.add(dark ? 'dark' : 'light')
})()
