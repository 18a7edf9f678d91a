/**
 * Takes the README's pictures of the job board: `npm start`, in another terminal `npm run sample`, then
 * `npx node test/system/take-pictures.ts http://127.0.0.1:8080`.
 */
import { join } from 'node:path'
import { launchChromium } from './browser.ts'

const images = join(import.meta.dirname, '../../docs/images')
const job = '#/job/data-engineer-tidewrack-systems-aarhus'
const url = process.argv[2] ?? 'http://127.0.0.1:8080'

const pictures = [
  { file: 'job-board-wide.png', path: `/${job}`, viewport: { width: 1440, height: 900 }, scale: 1 },
  { file: 'job-board-phone.png', path: '/', viewport: { width: 390, height: 780 }, scale: 2 },
] as const

const browser = await launchChromium()
for (const { file, path, viewport, scale } of pictures) {
  const page = await browser.newPage({ viewport, deviceScaleFactor: scale, colorScheme: 'light' })
  await page.goto(`${url}${path}`)
  await page.locator('a.job').first().waitFor()
  await page.screenshot({ path: join(images, file) })
  await page.close()
}
await browser.close()
