import { existsSync } from 'node:fs'
import { type Browser, chromium } from 'playwright-core'

const paths = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']
const args = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** The Chromium of this machine. @throws where there is none, and says what to install. */
export async function launchChromium(): Promise<Browser> {
  const path = process.env.CHROMIUM_PATH ?? paths.find(each => existsSync(each))
  if (path === undefined || !existsSync(path)) {
    throw new Error(
      `There is no Chromium at ${path ?? paths.join(', ')}. Install it (Debian: apt-get install chromium), or name it in CHROMIUM_PATH.`,
    )
  }
  return await chromium.launch({ executablePath: path, args })
}
