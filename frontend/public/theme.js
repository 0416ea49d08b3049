// The theme is known before the first paint: a page that flashes white in the dark is not usable at night.
;(() => {
  let wish = 'auto'
  try {
    wish = localStorage.getItem('pilotdeck.theme')
  } catch {
    // A browser that keeps nothing has no wish.
  }
  const dark = wish === 'dark' || (wish !== 'light' && matchMedia('(prefers-color-scheme: dark)').matches)
  document.documentElement.classList.add(dark ? 'dark' : 'light')
})()
