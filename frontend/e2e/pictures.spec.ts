import { furnish } from './demo'
import { expect, test } from './pilotdeck'

/** The pictures of the README: `PICTURES=1 npx playwright test pictures`. */
const PICTURES = [
  { name: 'overview', path: '/', theme: 'light' },
  { name: 'board', path: '/projects?view=board', theme: 'dark' },
  { name: 'timeline', path: '/projects/checkout', theme: 'light' },
  { name: 'cost', path: '/cost', theme: 'dark' },
  { name: 'history', path: '/projects/checkout/history', theme: 'light' },
  { name: 'runs', path: '/runs', theme: 'dark' },
] as const

test.skip(!process.env.PICTURES, 'pictures are taken when somebody asks for them')

test('the pictures of the README', async ({ agent, page }) => {
  test.setTimeout(180_000)
  await furnish(agent)
  await page.setViewportSize({ width: 1440, height: 900 })
  for (const { name, path, theme } of PICTURES) {
    await page.emulateMedia({ colorScheme: theme })
    await page.goto(path)
    await expect(page.locator('[role=status][aria-label=Loading]')).toHaveCount(0)
    await page.waitForTimeout(1500)
    await page.screenshot({ path: `../docs/images/${name}.png` })
  }
})
